"""The running engine may open as many files as its unit asks for, and has not used them up."""

from __future__ import annotations

from rackwright.checks.results import CheckResult, Observation, PlannedReplica, Status

NEARLY = 0.8
_UNLIMITED = ("unlimited", "infinity")


def check(planned: PlannedReplica, seen: Observation) -> CheckResult:
    """CRITICAL when nearly used up: no connection can come then. WARN for another limit."""
    unit, limits = seen.get("unit") or {}, seen.get("open_files") or {}
    asked, soft, used = unit.get("LimitNOFILE"), limits.get("soft"), limits.get("used")
    if not asked or not soft or not isinstance(used, int):
        remedy = "see the unit check"
        return planned.says("open files", Status.UNKNOWN, "no running process", remedy)
    evidence = f"{used} of {soft} open"
    most = _count(soft)
    if used > most * NEARLY:
        remedy = f"raise LimitNOFILE of {planned.unit}; `ls -l /proc/PID/fd` shows what they are"
        return planned.says("open files", Status.CRITICAL, evidence, remedy)
    if most < _count(asked):
        evidence = f"{evidence}, the unit asks for {asked}"
        remedy = f"restart {planned.unit}: the process is older than its unit's limit"
        return planned.says("open files", Status.WARN, evidence, remedy)
    return planned.says("open files", Status.OK, evidence)


def _count(limit: str) -> float:
    return float("inf") if limit in _UNLIMITED else int(limit)
