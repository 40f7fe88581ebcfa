"""The engine found as much room for KV cache as the plan foresaw: memory is what it was thought."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, answer_of, number_of
from rackwright.checks.planned import PlannedReplica
from rackwright.checks.replica.healthy import REPLICA
from rackwright.checks.replica.when import ANSWERS
from rackwright.checks.results import Finding, Status

TOLERANCE = 0.05
"""The prediction is within 0.4 % of every engine measured (docs/planner.md); tests assert 3 %."""
HALF = 0.5
_LESS = (
    "fewer long requests fit at once than planned: see the checks of processes and GPU memory for "
    "what else takes memory, and the memory that the engine logs at its start"
)
_MORE = "the plan knows this model or engine badly: compare `rackwright plan` with the engine's log"


def judge(planned: PlannedReplica, seen: Observation) -> Finding:
    """CRITICAL for less than half of the plan's tokens; WARN for less or more than tolerated."""
    if "kv_cache_tokens" not in planned.figures:
        return Finding(Status.OK, "the engine does not tell")
    if planned.task and not planned.keeps_tokens:
        return Finding(Status.OK, "the model keeps nothing of a token: it has none")
    reply, _, why = answer_of(seen.get("metrics"))
    if reply is None:
        return Finding(Status.UNKNOWN, why, "see the health check")
    tokens = number_of(reply.get("body"), "kv_cache_tokens")
    if tokens is None:
        evidence = "the engine's metrics do not tell"
        return Finding(Status.UNKNOWN, evidence, "see its /metrics on the host")
    expected = planned.predicted.kv_cache_tokens if planned.predicted else 0
    if planned.task:
        evidence = f"{tokens:,.0f} tokens; not judged, the plan of such models was not measured"
        return Finding(Status.OK, evidence)
    if not expected:
        evidence = f"{tokens:,.0f} tokens, a fixed size without GPUs: none is planned"
        return Finding(Status.OK, evidence)
    evidence = f"{tokens:,.0f} tokens, {expected:,} planned ({tokens / expected - 1:+.1%})"
    if tokens < expected * HALF:
        return Finding(Status.CRITICAL, evidence, _LESS)
    if abs(tokens / expected - 1) > TOLERANCE:
        remedy = _LESS if tokens < expected else _MORE
        return Finding(Status.WARN, evidence, remedy)
    return Finding(Status.OK, evidence)


CHECK = Check(
    name="KV cache",
    fine="the engine tells as many tokens as planned, within 5 %",
    judge=judge,
    healthy=REPLICA,
    applies=ANSWERS,
    examples=(
        Example(
            "less KV cache than planned", Status.WARN, {"metrics.body.kv_cache_tokens": 80_000.0}
        ),
        Example(
            "less than half of the planned KV cache",
            Status.CRITICAL,
            {"metrics.body.kv_cache_tokens": 49_000.0},
        ),
        Example(
            "metrics that do not tell the KV cache",
            Status.UNKNOWN,
            {"metrics.body.kv_cache_tokens": None},
        ),
    ),
)
