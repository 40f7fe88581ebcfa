"""Rows to medians over rounds, ratios within a round, goals kept or missed, and tables."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from benchmarks.gateway.doors import DIRECT, GATEWAY, LITELLM_PROXY, PLAIN
from benchmarks.gateway.load import BODIES, FULL, IDLE, LIGHT, STREAMS

TOKENS = "tokens"
Row = dict[str, Any]


class Goal(NamedTuple):
    """What is wanted of a figure: at least, or at most, so much."""

    words: str
    measured: float
    bound: float
    at_least: bool

    @property
    def is_kept(self) -> bool:
        """Whether it is."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def __str__(self) -> str:
        wanted = f"{'at least' if self.at_least else 'at most'} {self.bound:g}"
        kept = "kept" if self.is_kept else "MISSED"
        return f"{self.words}: {self.measured:.3g} ({wanted}): {kept}"


class Summary:
    """Of the rows of all rounds."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.doors = list(dict.fromkeys(row["door"] for row in rows))

    def median(self, figure: str, door: str, load: str, body_bytes: int | None = None) -> float:
        """Over the rounds."""
        return statistics.median(row[figure] for row in self._of(door, load, body_bytes))

    def added_ms(self, figure: str, door: str, load: str, body_bytes: int | None = None) -> float:
        """Above asking the engine in the same round; the median of the rounds."""
        return self._paired(figure, door, DIRECT, load, body_bytes, lambda own, other: own - other)

    def ratio(self, figure: str, door: str, other: str, load: str, body_bytes: int | None) -> float:
        """To another door in the same round; the median of the rounds."""
        return self._paired(figure, door, other, load, body_bytes, lambda own, its: own / its)

    def _paired(
        self, figure: str, door: str, other: str, load: str, body_bytes: int | None,
        compare: Callable[[float, float], float],
    ) -> float:  # fmt: skip
        pairs = zip(
            self._of(door, load, body_bytes), self._of(other, load, body_bytes), strict=True
        )
        return statistics.median(compare(own[figure], its[figure]) for own, its in pairs)

    def _of(self, door: str, load: str, body_bytes: int | None) -> list[Row]:
        return [
            row
            for row in self.rows
            if row["door"] == door
            and row["load"] == load
            and body_bytes in (None, row.get("body_bytes"))
        ]

    def goals(self) -> list[Goal]:
        """What the gateway was built to keep to."""
        small, middle = BODIES[0], BODIES[1]
        rate = "requests_per_s"
        goals = [
            Goal("added at the median, 2 KiB, two connections (ms)",
                 self.added_ms("p50_ms", GATEWAY, LIGHT, small), 0.2, False),
            Goal("requests/s to plain Nginx's, 2 KiB",
                 self.ratio(rate, GATEWAY, PLAIN, FULL, small), 0.5, True),
            Goal("requests/s to plain Nginx's, 120 KiB",
                 self.ratio(rate, GATEWAY, PLAIN, FULL, middle), 0.25, True),
        ]  # fmt: skip
        if LITELLM_PROXY in self.doors:
            times = self.ratio(rate, GATEWAY, LITELLM_PROXY, FULL, small)
            goals.append(Goal("requests/s to LiteLLM's, 2 KiB", times, 20, True))
        return goals

    def tables(self) -> str:
        """Markdown: requests a second, added latency, streams."""
        return "\n\n".join([self._rates(), self._latencies(), self._streams()])

    def _rates(self) -> str:
        sizes = [f"{size >> 10} KiB" for size in BODIES]
        lines = [["requests/s"], *([door] for door in self.doors)]
        for size, name in zip(BODIES, sizes, strict=True):
            lines[0] += [name, "to plain", "by CPU time"]
            for line in lines[1:]:
                line.append(f"{self.median('requests_per_s', line[0], FULL, size):,.0f}")
                line.append(f"{self.ratio('requests_per_s', line[0], PLAIN, FULL, size):.2f}")
                line.append(self._by_cpu(line[0], size))
        return _markdown(lines)

    def _by_cpu(self, door: str, size: int) -> str:
        """To plain Nginx, a second of the door's CPU: what others take does not count."""
        if door == DIRECT:
            return "-"
        return f"{self.ratio('requests_per_cpu_s', door, PLAIN, FULL, size):.2f}"

    def _latencies(self) -> str:
        cases = [(LIGHT, size, f"{size >> 10} KiB") for size in BODIES]
        cases.append((IDLE, BODIES[0], "2 KiB, now and then"))
        lines = [["added ms, median / 99th"], *([door] for door in self.doors)]
        for load, size, name in cases:
            lines[0].append(name)
            for line in lines[1:]:
                line.append(self._added(line[0], load, size))
        return _markdown(lines)

    def _added(self, door: str, load: str, size: int | None) -> str:
        figure = self.median if door == DIRECT else self.added_ms
        words = [f"{figure(name, door, load, size):.2f}" for name in ("p50_ms", "p99_ms")]
        return " / ".join(words) + (" in all" if door == DIRECT else "")

    def _streams(self) -> str:
        lines = [["streams of 64 tokens", "streams/s", "to plain", "to the first token, added ms",
                  "a token, added ms, median / 99th"]]  # fmt: skip
        for door in self.doors:
            first = self.median if door == DIRECT else self.added_ms
            lines.append([
                door,
                f"{self.median('requests_per_s', door, STREAMS):,.0f}",
                f"{self.ratio('requests_per_s', door, PLAIN, STREAMS, None):.2f}",
                f"{first('first_token_ms', door, TOKENS):.2f}" + " in all" * (door == DIRECT),
                self._added(door, TOKENS, None),
            ])  # fmt: skip
        return _markdown(lines)


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    """The first line is the head; all columns but the first are figures."""
    ruled = [lines[0], ["---", *["---:"] * (len(lines[0]) - 1)], *lines[1:]]
    return "\n".join(_row(cells) for cells in ruled)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
