"""/health answers. Needed, and never enough: see identity and completion."""

from __future__ import annotations

from rackwright.checks.results import CheckResult, Observation, PlannedReplica, Status, answer_of


def check(planned: PlannedReplica, seen: Observation) -> CheckResult:
    """CRITICAL unless it answers 200."""
    reply, status, why = answer_of(seen.get("health"))
    if reply is None:
        remedy = f"journalctl -u {planned.unit} on {planned.host}"
        return planned.says("health", status, why, remedy)
    return planned.says("health", Status.OK, f"200 in {reply.get('seconds')} s")
