"""/health answers. Needed, and never enough: see identity and completion."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, answer_of
from rackwright.checks.planned import PlannedReplica
from rackwright.checks.replica.healthy import REPLICA
from rackwright.checks.replica.unit import stopped_trying
from rackwright.checks.replica.when import ANSWERS
from rackwright.checks.results import Finding, Status


def judge(planned: PlannedReplica, seen: Observation) -> Finding:
    """CRITICAL unless it answers 200."""
    reply, status, why = answer_of(seen.get("health"))
    if reply is None:
        why = ": ".join(filter(None, [stopped_trying(seen), why]))
        remedy = f"journalctl -u {planned.unit} on {planned.host}"
        return Finding(status, why, remedy)
    return Finding(Status.OK, f"200 in {reply.get('seconds')} s")


CHECK = Check(
    name="health",
    fine="`/health` answers 200",
    judge=judge,
    healthy=REPLICA,
    applies=ANSWERS,
    examples=(
        Example(
            "an engine that says it is not well",
            Status.CRITICAL,
            {"health": {"status": 503, "body": ""}},
        ),
    ),
)
