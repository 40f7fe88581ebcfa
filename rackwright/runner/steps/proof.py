"""Whether a replica that was changed is proven: what the checks say of it now, and said before.

What the operator accepts does not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rackwright.checks.observed import number_of, part_of
from rackwright.checks.replica.delivery import timing_of
from rackwright.checks.results import CheckResult, Status

OF_THE_MACHINE = frozenset({"balance", "bandwidth", "delivery", "open files", "throughput"})
"""What a change of an engine need not mend: it counts only where it was well before."""
ALWAYS_ASKED = ("unit", "identity", "health")
"""What does not depend on what is planned."""
NEVER_ACCEPTED = (*ALWAYS_ASKED, "completion")
SLOWEST_SHARE = 0.5
"""Of the tokens a second of one request alone, as it was before."""
FEWEST_TOKENS = 32
"""Of fewer the time says little: a replica without GPUs is asked for eight."""

Results = Sequence[CheckResult]


def faults(before: Results, after: Results) -> list[str]:
    """Why it is not proven, in words; empty where it is.

    What is the machine's own and was as bad before is no fault of the change, nor is a blemish that
    the operator accepts.
    """
    own = [row for row in before if row.check in OF_THE_MACHINE]
    known = {_key(row) for row in own if row.counts_as > Status.WARN}
    bad = [row for row in after if _counts_as(row) > Status.WARN and _key(row) not in known]
    return [_words(row) for row in bad] if after else ["nothing was observed of it"]


def _counts_as(row: CheckResult) -> Status:
    """That a replica works at all is no blemish."""
    return row.status if row.check in NEVER_ACCEPTED else row.counts_as


def silent(after: Results) -> list[str]:
    """Why a replica that is another than planned does not work; gateways ask it for the rest."""
    asked = [row for row in after if row.check in ALWAYS_ASKED]
    bad = [_words(row) for row in asked if _counts_as(row) > Status.WARN]
    return bad if asked else ["nothing was observed of it"]


def worse(before: Results, again: Results) -> list[str]:
    """What was well before and, now that the old is back, is not."""
    well = {_key(row) for row in before if _counts_as(row) <= Status.WARN}
    return [_words(row) for row in again if _counts_as(row) > Status.WARN and _key(row) in well]


def _key(row: CheckResult) -> tuple[str, str, str]:
    return row.host, row.subject, row.check


def _words(row: CheckResult) -> str:
    return f"{row.check} is {row.status}: {row.evidence}"


def served(results: Results) -> bool:
    """Whether it ran and answered: then there is something to go back to."""
    asked = [row for row in results if row.check in ("unit", "health")]
    return bool(asked) and all(row.status <= Status.WARN for row in asked)


def serving(results: Results) -> frozenset[str]:
    """The names of those replicas that ran and answered."""
    by_name = {
        row.subject: [one for one in results if one.subject == row.subject] for row in results
    }
    return frozenset(name for name, its in by_name.items() if served(its))


def slower(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Words where a request alone has less than half its speed of before; empty otherwise.

    Each is what was observed of the replica. What was timed beside others is not compared.
    """
    was, now = _tokens_a_second(before), _tokens_a_second(after)
    if was is None or now is None or now >= was * SLOWEST_SHARE:
        return ""
    return f"a request alone has {now:.1f} tokens/s, and had {was:.1f} before"


def _tokens_a_second(seen: Mapping[str, Any]) -> float | None:
    delivery = part_of(seen, "delivery")
    timing, tokens = timing_of(delivery), number_of(delivery, "tokens") or 0
    alone = not delivery.get("others") and tokens >= FEWEST_TOKENS
    return timing.out_tok_s if timing and alone else None
