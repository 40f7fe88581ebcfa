"""A real chat completion, as the planned model; of one that does not write, what it makes."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, answer_of
from rackwright.checks.planned import PlannedReplica
from rackwright.checks.replica.answered import words_of
from rackwright.checks.replica.healthy import REPLICA
from rackwright.checks.replica.when import ANSWERS
from rackwright.checks.results import Finding, Status


def judge(planned: PlannedReplica, seen: Observation) -> Finding:
    """CRITICAL unless a token comes back from the planned model, or its vector or scores."""
    reply, status, why = answer_of(seen.get("completion"))
    remedy = f"journalctl -u {planned.unit} on {planned.host}; then restart it"
    if reply is None:
        return Finding(status, why, remedy)
    try:
        made = words_of(planned, reply.get("body"))
    except ValueError as wrong:
        return Finding(Status.CRITICAL, str(wrong), remedy)
    return Finding(Status.OK, f"{made} in {reply.get('seconds')} s")


CHECK = Check(
    name="completion",
    fine=(
        "a chat completion as the planned model has at least one token; one that answers with "
        "vectors or scores makes them of a text (vectors of tokens: one of each, all as long as "
        "planned), one that transcribes hears silence"
    ),
    judge=judge,
    healthy=REPLICA,
    applies=ANSWERS,
    examples=(
        Example(
            "`/health` answers and completions do not",
            Status.CRITICAL,
            {"completion": {"error": "TimeoutError: timed out"}},
        ),
        Example(
            "completions as another model", Status.CRITICAL, {"completion.body.model": "mistral"}
        ),
    ),
)
