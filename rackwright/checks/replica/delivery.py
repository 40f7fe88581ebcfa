"""Is it delivering? A streamed completion, beside what the plan predicts of its speed."""

from __future__ import annotations

from typing import NamedTuple

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, answer_of, number_of
from rackwright.checks.planned import PlannedReplica, Predicted
from rackwright.checks.replica.healthy import REPLICA, streamed
from rackwright.checks.replica.when import WRITES
from rackwright.checks.results import Finding, Status

SLOWER = 1.5
"""Of one request alone, engines were measured at 0.95 to 1.04 of the predicted time a token."""
LATER = 3.0
LATE_S = 0.25
"""First tokens vary more (0.65 to 1.59 of the prediction), and the shortest are HTTP's own time."""
SLOW = (
    "find what is slow: links, PCIe, throttling, Xid errors and the balance of its GPUs have "
    "checks of their own; if all are OK, look for other work on the host, and at what else "
    "`rackwright plan` could have chosen"
)


class Timing(NamedTuple):
    """Of one request: milliseconds a token after the first, and to the first; tokens a second."""

    tpot_ms: float
    ttft_ms: float
    out_tok_s: float


def judge(planned: PlannedReplica, seen: Observation) -> Finding:
    """WARN when clearly slower than predicted for as many requests as run at that time."""
    reply, status, why = answer_of(seen.get("delivery"))
    if reply is None:
        remedy = f"see the completion check, then journalctl -u {planned.unit} on {planned.host}"
        return Finding(status, why, remedy)
    timing = timing_of(reply)
    if timing is None:
        evidence = "no stream of tokens that could be timed"
        return Finding(Status.CRITICAL, evidence, "see the completion check")
    words = (
        f"{timing.tpot_ms:.1f} ms a token, first after {timing.ttft_ms:.0f} ms, "
        f"{timing.out_tok_s:.0f} tokens/s"
    )
    if planned.predicted is None:
        why = f"of engine {planned.engine}" if planned.uses_gpus else "without GPUs"
        return Finding(Status.OK, f"{words}; no prediction {why}")
    others = number_of(reply, "others")
    if others is not None and others >= max(1, planned.predicted.busy.concurrency):
        evidence = f"{words}, beside {others:.0f} requests: more than planned for, not judged"
        return Finding(Status.OK, evidence)
    return _compared(planned, planned.predicted, timing, words, others)


def timing_of(reply: Observation) -> Timing | None:
    """The timing of a stream of two tokens or more; None where that is not what was seen."""
    tokens, first_s, last_s = (number_of(reply, key) for key in ("tokens", "first_s", "last_s"))
    if tokens is None or first_s is None or last_s is None:
        return None
    if tokens < 2 or not 0 < first_s <= last_s:
        return None
    each_s = (last_s - first_s) / (tokens - 1)
    return Timing(each_s * 1e3, first_s * 1e3, tokens / last_s)


def _compared(
    planned: PlannedReplica, predicted: Predicted, timing: Timing, words: str, others: float | None
) -> Finding:
    """Where nobody knows how many others ran, as many as were planned for are the fair guess."""
    speeds = [predicted.alone]
    speeds.append(predicted.busy if others is None else predicted.under(others + 1))
    tpot_ms = max(speed.tpot_ms for speed in speeds)
    ttft_ms = max(speed.ttft_ms for speed in speeds)
    beside = f", beside {others:.0f} other requests" if others else ""
    if others is None:
        beside = "; how many other requests ran is not told"
    evidence = f"{words} ({tpot_ms:.1f} and {ttft_ms:.0f} ms predicted){beside}"
    slow = timing.tpot_ms > tpot_ms * SLOWER
    late = timing.ttft_ms > max(ttft_ms * LATER, ttft_ms + LATE_S * 1e3)
    if slow or late:
        return Finding(Status.WARN, evidence, SLOW)
    return Finding(Status.OK, evidence)


CHECK = Check(
    name="delivery",
    fine=(
        "a streamed completion of 64 tokens (8 where nothing is predicted) takes at most 1.5 times "
        "the predicted time a token, and its first token comes in time; beside other requests the "
        "prediction for the next more of 64, 256 and the planned number counts"
    ),
    judge=judge,
    healthy=REPLICA,
    applies=WRITES,
    examples=(
        Example("tokens slower than predicted", Status.WARN, {"delivery": streamed(25.0)}),
        Example("first tokens that come late", Status.WARN, {"delivery": streamed(10.0, 900.0)}),
        Example("completions that are not streamed", Status.CRITICAL, {"delivery.tokens": 1}),
    ),
)
