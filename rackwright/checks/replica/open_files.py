"""The running engine may open as many files as its unit asks for, or enough, and has some left."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedReplica
from rackwright.checks.replica.healthy import REPLICA
from rackwright.checks.results import Finding, Status

NEARLY = 0.8
ENOUGH = 16384
"""A connection takes one; this is sixteen for each of the most requests that a plan allows."""
_UNLIMITED = ("unlimited", "infinity")


def judge(planned: PlannedReplica, seen: Observation) -> Finding:
    """CRITICAL when nearly used up: no connection can come then. WARN for fewer than is enough."""
    unit, limits = seen.get("unit") or {}, seen.get("open_files") or {}
    asked, soft, used = unit.get("LimitNOFILE"), limits.get("soft"), limits.get("used")
    if not asked or not soft or not isinstance(used, int):
        remedy = "see the unit check"
        return Finding(Status.UNKNOWN, "no running process", remedy)
    evidence = f"{used} of {soft} open"
    most = _count(soft)
    if used > most * NEARLY:
        remedy = f"raise LimitNOFILE of {planned.unit}; `ls -l /proc/PID/fd` shows what they are"
        return Finding(Status.CRITICAL, evidence, remedy)
    if most < _count(asked):
        evidence = f"{evidence}, the unit asks for {asked}"
    if most < min(_count(asked), ENOUGH):
        remedy = f"restart {planned.unit}; if it stays so, the system allows no more (fs.nr_open)"
        return Finding(Status.WARN, evidence, remedy)
    return Finding(Status.OK, evidence)


def _count(limit: str) -> float:
    return float("inf") if limit in _UNLIMITED else int(limit)


CHECK = Check(
    name="open files",
    fine=(
        "the process may open as many as its unit asks for, or 16,384 where the system allows no "
        "more"
    ),
    judge=judge,
    healthy=REPLICA,
    examples=(
        Example("a process that may open too few files", Status.WARN, {"open_files.soft": "4096"}),
        Example(
            "a process that has four fifths of its files open",
            Status.CRITICAL,
            {"open_files.soft": "20000", "open_files.used": 17_000},
        ),
    ),
)
