"""Nginx runs, and the configuration on disk is one it would accept."""

from __future__ import annotations

from rackwright.checks.results import CheckResult, Observation, PlannedService, Status


def check(planned: PlannedService, seen: Observation) -> CheckResult:
    """CRITICAL unless active; WARN when the next reload or reboot would fail."""
    unit, test = seen.get("unit") or {}, seen.get("configuration") or {}
    if not unit.get("ActiveState") or "ok" not in test:
        return planned.says("nginx", Status.UNKNOWN, "was not observed", "run the deploy again")
    if unit["ActiveState"] != "active":
        remedy = f"journalctl -u nginx on {planned.host}"
        return planned.says("nginx", Status.CRITICAL, unit["ActiveState"], remedy)
    if test["ok"] is not True:
        remedy = "correct the configuration before the next reload"
        return planned.says("nginx", Status.WARN, str(test.get("words"))[:200], remedy)
    return planned.says("nginx", Status.OK, "active, configuration valid")
