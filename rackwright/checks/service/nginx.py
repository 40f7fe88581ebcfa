"""Nginx runs, and the configuration on disk is one it would accept."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedService
from rackwright.checks.results import Finding, Status
from rackwright.checks.service.healthy import SERVICE


def judge(planned: PlannedService, seen: Observation) -> Finding:
    """CRITICAL unless active; WARN when the next reload or reboot would fail."""
    unit, test = seen.get("unit") or {}, seen.get("configuration") or {}
    if not unit.get("ActiveState") or "ok" not in test:
        return Finding(Status.UNKNOWN, "was not observed", "run the deploy again")
    if unit["ActiveState"] != "active":
        remedy = f"journalctl -u nginx on {planned.host}"
        return Finding(Status.CRITICAL, unit["ActiveState"], remedy)
    if test["ok"] is not True:
        remedy = "correct the configuration before the next reload"
        return Finding(Status.WARN, str(test.get("words"))[:200], remedy)
    return Finding(Status.OK, "active, configuration valid")


CHECK = Check(
    name="nginx",
    fine="active, configuration on disk valid",
    judge=judge,
    healthy=SERVICE,
    examples=(
        Example("an Nginx that is not active", Status.CRITICAL, {"unit.ActiveState": "failed"}),
        Example(
            "a configuration that the next reload would refuse",
            Status.WARN,
            {"configuration.ok": False, "configuration.words": "unknown directive"},
        ),
    ),
)
