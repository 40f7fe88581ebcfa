"""keepalived runs on each gateway: without it a gateway takes over from no other."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.gateway.healthy import GATEWAY, WHERE_SHARED
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedGateway
from rackwright.checks.results import Finding, Status


def judge(planned: PlannedGateway, seen: Observation) -> Finding:
    """CRITICAL unless active: clients notice only when the other gateway fails."""
    state = (seen.get("unit") or {}).get("ActiveState")
    if not state:
        return Finding(Status.UNKNOWN, "was not observed", "run the deploy again")
    if state != "active":
        remedy = f"journalctl -u {planned.unit} on {planned.host}"
        return Finding(Status.CRITICAL, str(state), remedy)
    return Finding(Status.OK, "active")


CHECK = Check(
    name="keepalived",
    fine="active",
    judge=judge,
    healthy=GATEWAY,
    applies=WHERE_SHARED,
    examples=(
        Example("a keepalived that is not active", Status.CRITICAL, {"unit.ActiveState": "failed"}),
    ),
)
