"""The replica's unit is active and was not restarted by a failure."""

from __future__ import annotations

from rackwright.checks.results import CheckResult, Observation, PlannedReplica, Status


def check(planned: PlannedReplica, seen: Observation) -> CheckResult:
    """CRITICAL unless active; WARN when systemd had to restart it, or runs an older unit file."""
    unit = seen.get("unit") or {}
    state = unit.get("ActiveState")
    look = f"journalctl -u {planned.unit} on {planned.host}"
    if not state:
        return planned.says("unit", Status.UNKNOWN, "systemd did not answer", look)
    if state != "active":
        evidence = f"{unit.get('LoadState')}, {state} ({unit.get('SubState')})"
        return planned.says("unit", Status.CRITICAL, evidence, look)
    restarts = unit.get("NRestarts")
    if restarts is None:
        return planned.says("unit", Status.UNKNOWN, "systemd did not count its restarts", look)
    if restarts != "0":
        return planned.says("unit", Status.WARN, f"active after {restarts} restarts", look)
    if unit.get("NeedDaemonReload") == "yes":
        remedy = "run the deploy again"
        return planned.says("unit", Status.WARN, "its unit file changed since", remedy)
    return planned.says("unit", Status.OK, f"active, pid {unit.get('MainPID')}, no restarts")
