"""Checks: what was planned beside what was observed, judged. No I/O, and no guess.

A check is a value (``check.Check``) in a module of its name, in the folder of what it is about, and
a line in ``table.CHECKS``: what is asked, the tests of a fleet and the tables of ``docs/checks.md``
follow from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rackwright.lazily import exports

if TYPE_CHECKING:
    from rackwright.checks.check import ALWAYS, Check, Example, Sample, When
    from rackwright.checks.judging import judge
    from rackwright.checks.planned import Planned
    from rackwright.checks.results import CheckResult, Finding, Status
    from rackwright.checks.table import CHECKS, checks_about, healthy
else:
    __getattr__ = exports(
        __name__,
        {
            "ALWAYS": "check",
            "Check": "check",
            "Example": "check",
            "Sample": "check",
            "When": "check",
            "judge": "judging",
            "Planned": "planned",
            "CheckResult": "results",
            "Finding": "results",
            "Status": "results",
            "CHECKS": "table",
            "checks_about": "table",
            "healthy": "table",
        },
    )

__all__ = [
    "ALWAYS",
    "CHECKS",
    "Check",
    "CheckResult",
    "Example",
    "Finding",
    "Planned",
    "Sample",
    "Status",
    "When",
    "checks_about",
    "healthy",
    "judge",
]
