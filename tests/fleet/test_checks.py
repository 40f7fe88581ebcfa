"""Every check that is asked of this fleet, as a test: hardware by the probe, the rest by asking."""

from __future__ import annotations

import warnings

from rackwright.checks import Check, CheckResult, Planned, Status


def test_check(seen: list[CheckResult], asked: tuple[Planned, Check[Planned]]) -> None:
    """A warning passes, and what is accepted; both are shown at the end of the run."""
    planned, check = asked
    row = answer(seen, planned, check)
    assert row.counts_as <= Status.WARN, f"{row.check}: {row.evidence}; {row.remedy}"
    if row.status is not Status.OK:
        about = f"{row.status_words}: {row.host} {row.subject} {row.check}"
        warnings.warn(f"{about}: {row.evidence}; {row.remedy}", stacklevel=1)


def answer(seen: list[CheckResult], planned: Planned, check: Check[Planned]) -> CheckResult:
    """What the check said; where it was not asked, the fault of its host that kept it from that."""
    rows = [row for row in seen if row.host == planned.host]
    for row in rows:
        if (row.subject, row.check) == (planned.name, check.name):
            return row
    worst = max(rows, key=lambda row: row.status)
    assert worst.status > Status.WARN, f"{check.name} was not asked, and nothing says why"
    return worst
