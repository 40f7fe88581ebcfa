"""What became of the requests of a constant load, one by one, and what is said of all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import quantiles
from typing import Any

WELL = ("stop", "length")
MOST_FAILURES_SHOWN = 50


@dataclass(frozen=True)
class Record:
    """One request; times are seconds since 1970. ``fault`` is empty where the answer was whole."""

    kind: str
    start: float
    end: float
    fault: str = ""
    status: int | None = None
    replica: str = ""
    tokens: int = 0
    finish_reason: str = ""

    @property
    def is_well(self) -> bool:
        """Whether the client had all of its answer."""
        return not self.fault


def fault_of(kind: str, tokens: int, finish_reason: str, done: bool) -> str:
    """What an answer lacks that came without an error; nothing where it is whole."""
    if finish_reason not in WELL:
        return f"ended with finish_reason {finish_reason or 'none'} after {tokens} tokens"
    if kind == "stream" and not done:
        return "the stream ended without [DONE]"
    return "" if tokens else "no token"


def summary(records: Sequence[Record], started: float, ended: float) -> dict[str, Any]:
    """Counts, failures in words, and the longest time in which no request ended well."""
    well = [one for one in records if one.is_well]
    lost = [one for one in records if not one.is_well]
    seconds = sorted(one.end - one.start for one in well)
    return {
        "seconds": round(ended - started, 3),
        "requests": dict(Counter(one.kind for one in records)),
        "completed": len(well),
        "failed": len(lost),
        "failures": dict(Counter(one.fault for one in lost)),
        "first_failures": [vars(one) for one in lost[:MOST_FAILURES_SHOWN]],
        "tokens": sum(one.tokens for one in well),
        "replicas": dict(Counter(one.replica for one in well)),
        "longest_gap_s": round(longest_gap_s(well, started, ended), 3),
        "latency_s": _latencies(seconds),
    }


def longest_gap_s(well: Iterable[Record], started: float, ended: float) -> float:
    """The longest time from one good end to the next; from the start, and to the end, too."""
    times = [started, *sorted(one.end for one in well), ended]
    return max(after - before for before, after in pairwise(times))


def _latencies(seconds: Sequence[float]) -> dict[str, float]:
    if len(seconds) < 2:
        return {}
    cuts = quantiles(seconds, n=100)
    return {"p50": round(cuts[49], 3), "p99": round(cuts[98], 3), "most": round(seconds[-1], 3)}
