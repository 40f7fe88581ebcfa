"""Tokens a second of a whole replica under a short burst, beside what its GPUs should give."""

from __future__ import annotations

from itertools import pairwise

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, number_of
from rackwright.checks.planned import PlannedReplica, Predicted
from rackwright.checks.replica.delivery import SLOW, SLOWER
from rackwright.checks.replica.healthy import REPLICA
from rackwright.checks.replica.when import HAD_A_BURST
from rackwright.checks.results import Finding, Status


def judge(planned: PlannedReplica, seen: Observation) -> Finding:
    """WARN when clearly below the prediction for so many requests; CRITICAL when some failed.

    Beside the requests of others, the burst's fair share of the prediction for all is expected.
    """
    burst = seen.get("burst") or {}
    requests, tokens, seconds = (number_of(burst, k) for k in ("requests", "tokens", "seconds"))
    if planned.predicted is None or requests is None or tokens is None or not seconds:
        remedy = "see the completion check; then run this again"
        return Finding(Status.UNKNOWN, "no burst was observed", remedy)
    if burst.get("errors"):
        evidence = f"under {requests:.0f} requests at once: {'; '.join(burst['errors'])}"
        remedy = f"journalctl -u {planned.unit} on {planned.host}"
        return Finding(Status.CRITICAL, evidence[:300], remedy)
    others = number_of(burst, "others") or 0
    if not requests:
        evidence = f"{others:.0f} requests of others ran, none was added: not judged"
        return Finding(Status.OK, evidence)
    share = requests / (requests + others)
    expected = _expected_tok_s(planned.predicted, requests + others) * share
    beside = f" beside {others:.0f} of others" if others else ""
    evidence = (
        f"{tokens / seconds:,.0f} tokens/s of {requests:.0f} requests{beside} on "
        f"{len(planned.gpus)} GPU(s), {expected:,.0f} predicted"
    )
    status = Status.WARN if tokens / seconds * SLOWER < expected else Status.OK
    return Finding(status, evidence, SLOW if status is Status.WARN else "")


def _expected_tok_s(predicted: Predicted, requests: float) -> float:
    """Between two predictions on a straight line, below the curve that it really is."""
    for fewer, more in pairwise(predicted.speeds):
        if fewer.concurrency <= requests < more.concurrency:
            share = (requests - fewer.concurrency) / (more.concurrency - fewer.concurrency)
            return fewer.out_tok_s + share * (more.out_tok_s - fewer.out_tok_s)
    return predicted.under(requests).out_tok_s


CHECK = Check(
    name="throughput",
    fine=(
        "tokens a second of that burst are at least two thirds of what is predicted for so many "
        "requests, or of its share where others run"
    ),
    judge=judge,
    healthy=REPLICA,
    applies=HAD_A_BURST,
    examples=(
        Example("few tokens for the GPU count", Status.WARN, {"burst.tokens": 700}),
        Example(
            "a replica that gave no token in time",
            Status.CRITICAL,
            {"burst.tokens": 0, "burst.errors": ["TimeoutError: timed out"]},
            also=("balance",),
        ),
    ),
)
