"""NVIDIA's own diagnosis (`dcgmi diag -r 2`) finds nothing, where DCGM is installed.

Its JSON has no published schema; what is read is what DCGM 2 to 4 have in common: categories,
tests, and of each GPU (4: ``entity_id``, before: ``gpu_ids``) a status with warnings. Severities
are those of NVIDIA's page of the diagnostic's errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rackwright.checks.burn_in.healthy import BURNED_IN, dcgm
from rackwright.checks.burn_in.planned_burn_in import BY_RETURN, PlannedBurnIn, worst_of
from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, part_of
from rackwright.checks.results import Finding, Status

NAMES = ("DCGM Diagnostic", "DCGM GPU Diagnostic")
SEVERITY_MONITOR, SEVERITY_CONFIG = 1, 5
"""DCGM_ERROR_MONITOR and DCGM_ERROR_CONFIG: a setting or something to watch, no fault of a GPU."""
_READ = "run `dcgmi diag -r 2` on the server"
_MEND = f"{_READ}, and do as it says"
MOST_TEXT = 300


def judge(planned: PlannedBurnIn, seen: Observation) -> Finding:
    """CRITICAL for a test that failed, WARN for a setting; UNKNOWN where it gave no diagnosis."""
    asked = seen.get("dcgm")
    if isinstance(asked, dict) and asked.get("installed") is False:
        return Finding(Status.OK, "DCGM is not installed")
    told = part_of(seen, "dcgm")
    said = part_of(told, "said")
    body = next((part_of(said, name) for name in NAMES if name in said), said)
    tests = [test for one in body.get("test_categories") or () for test in one["tests"]]
    if words := told.get("error") or body.get("runtime_error"):
        return Finding(Status.UNKNOWN, f"no diagnosis: {str(words)[:MOST_TEXT]}", _READ)
    if not tests:
        return Finding(Status.UNKNOWN, "its answer names no test", _READ)
    statuses = [status for test in tests for _, status, _ in _results(test)]
    if not any(status == "pass" for status in statuses):
        passed = "no test passed"
        return worst_of(list(_findings(tests)) or [Finding(Status.UNKNOWN, passed, _READ)], "")
    return worst_of(list(_findings(tests)), f"{statuses.count('pass')} tests of GPUs passed")


def _findings(tests: list[Any]) -> Iterator[Finding]:
    for test in tests:
        for gpu, status, warnings in _results(test):
            if status not in ("pass", "skip", "not run"):
                words = "; ".join(text for text, _ in warnings) or status
                grave = status == "fail" and not _is_mild(warnings)
                found = Status.CRITICAL if grave else Status.WARN
                yield Finding(found, f"{gpu}{test['name']}: {words[:MOST_TEXT]}", _MEND)


def _is_mild(warnings: list[tuple[str, Any]]) -> bool:
    mild = (SEVERITY_MONITOR, SEVERITY_CONFIG)
    return bool(warnings) and all(severity in mild for _, severity in warnings)


def _results(test: Any) -> Iterator[tuple[str, str, list[tuple[str, Any]]]]:
    """About which GPU, the status in small letters, and warnings with their severity."""
    for one in test.get("results") or ():
        which = one.get("entity_id", one.get("gpu_ids", one.get("gpu_id")))
        group = str(one.get("entity_group") or "GPU")
        about = "" if which is None else f"{group} {which}: "
        yield about, str(one.get("status")).lower(), list(_warnings(one.get("warnings")))


def _warnings(said: Any) -> Iterator[tuple[str, Any]]:
    for one in said if isinstance(said, list) else [said] if said else ():
        if isinstance(one, dict):
            yield str(one.get("warning")), one.get("error_severity")
        else:
            yield str(one), None


CHECK = Check(
    name="DCGM",
    fine="`dcgmi diag -r 2` passes, where DCGM is installed",
    judge=judge,
    healthy=BURNED_IN,
    applies=BY_RETURN,
    examples=(
        Example(
            "a GPU that fails NVIDIA's diagnosis",
            Status.CRITICAL,
            {"dcgm": dcgm("Fail", warnings=[{"warning": "GPU 1 failed", "error_severity": 2}])},
        ),
        Example(
            "a setting that NVIDIA's diagnosis does not like",
            Status.WARN,
            {"dcgm": dcgm("Fail", warnings=[{"warning": "persistence", "error_severity": 5}])},
        ),
        Example(
            "a DCGM that gives no diagnosis",
            Status.UNKNOWN,
            {"dcgm": {"installed": True, "error": "Unable to connect to host engine"}},
        ),
    ),
)
