"""The replica's unit is active and was not restarted by a failure."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, part_of
from rackwright.checks.planned import PlannedReplica
from rackwright.checks.replica.healthy import REPLICA
from rackwright.checks.results import Finding, Status
from rackwright.remote.host.attempts import gave_up


def stopped_trying(seen: Observation) -> str:
    """That systemd starts it no more, in words; empty where it does, or has no need to."""
    failed = part_of(seen, "unit").get("ActiveState") == "failed"
    return gave_up(seen.get("attempts") or {}) if failed else ""


def judge(planned: PlannedReplica, seen: Observation) -> Finding:
    """CRITICAL unless active; WARN when systemd had to restart it, or runs an older unit file."""
    unit = seen.get("unit") or {}
    state = unit.get("ActiveState")
    look = f"journalctl -u {planned.unit} on {planned.host}"
    if not state:
        return Finding(Status.UNKNOWN, "systemd did not answer", look)
    if state != "active":
        evidence = f"{unit.get('LoadState')}, {state} ({unit.get('SubState')})"
        if told := stopped_trying(seen):
            remedy = (
                f"see `rackwright why`; a deploy or `systemctl restart {planned.unit}` tries anew"
            )
            return Finding(Status.CRITICAL, f"{told}: {evidence}", remedy)
        return Finding(Status.CRITICAL, evidence, look)
    restarts = unit.get("NRestarts")
    if restarts is None:
        return Finding(Status.UNKNOWN, "systemd did not count its restarts", look)
    if restarts != "0":
        return Finding(Status.WARN, f"active after {restarts} restarts", look)
    if unit.get("NeedDaemonReload") == "yes":
        remedy = "run the deploy again"
        return Finding(Status.WARN, "its unit file changed since", remedy)
    return Finding(Status.OK, f"active, pid {unit.get('MainPID')}, no restarts")


CHECK = Check(
    name="unit",
    fine="active, never restarted by a failure",
    judge=judge,
    healthy=REPLICA,
    examples=(
        Example("a unit that is not active", Status.CRITICAL, {"unit.ActiveState": "failed"}),
        Example(
            "a unit that stopped trying",
            Status.CRITICAL,
            {"unit.ActiveState": "failed", "attempts": {"failed": 5, "gave_up": True}},
        ),
        Example("a unit that was restarted by a failure", Status.WARN, {"unit.NRestarts": "3"}),
        Example(
            "a unit whose file has changed since", Status.WARN, {"unit.NeedDaemonReload": "yes"}
        ),
    ),
)
