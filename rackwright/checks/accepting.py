"""Findings that the operator accepts: they stay in every report, and do not count.

An acceptance that has run out, or that is about nothing there is, is a row of its own: none is
ignored without a word.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from rackwright.checks.planned import Planned
from rackwright.checks.results import Acceptance, CheckResult, Status
from rackwright.spec.accepted import AcceptedFinding

CHECK = "accepted"
REACHED, DEPLOYED = "reached", "deployed"
"""What is said of a whole host instead of its checks."""
KINDS_OF_SERVERS = frozenset(("server", "replica", "links of a replica", "burn-in of a server"))
KINDS_OF_GATEWAYS = frozenset(("service", "gateway"))

Accepted = Mapping[str, AcceptedFinding]
"""By where each stands in the inventory: ``accepted[0]``."""


def kinds_by_check() -> dict[str, str]:
    """Every check that may be accepted, with the kind of thing that it is about."""
    from rackwright.checks.table import CHECKS  # all modules of checks: a deploy needs them last

    return {REACHED: "host", **{check.name: check.about.KIND for check in CHECKS}}


def checks_of(planned: Sequence[Planned]) -> frozenset[str]:
    """The checks that may be asked of these things."""
    from rackwright.checks.table import CHECKS

    kinds = {type(one) for one in planned}
    return frozenset((REACHED, *(check.name for check in CHECKS if check.about in kinds)))


def with_accepted(
    results: Sequence[CheckResult], accepted: Accepted, today: date, asked: Collection[str]
) -> list[CheckResult]:
    """The results, those that are accepted ``today`` marked as such, and a word on each acceptance.

    ``asked`` are the checks that this run may make: it says nothing of acceptances of others, nor
    of hosts that have no row.
    """
    live = [one for one in accepted.values() if not one.is_over(today)]
    marked = [_marked(row, live) for row in results]
    hosts = {row.host for row in results}
    told = (
        _told(path, one, today, results)
        for path, one in accepted.items()
        if one.host in hosts and one.check in asked
    )
    return [*marked, *(row for rows in told for row in rows)]


def _marked(row: CheckResult, live: Sequence[AcceptedFinding]) -> CheckResult:
    if row.status is Status.OK:
        return row
    covering = (one for one in live if one.is_about(row.host, row.subject, row.check))
    if (first := next(covering, None)) is None:
        return row
    return replace(row, accepted=Acceptance(first.until.isoformat(), first.why))


def _told(
    path: str, one: AcceptedFinding, today: date, results: Sequence[CheckResult]
) -> Iterator[CheckResult]:
    """What there is to say of an acceptance beside the row that it is about."""
    rows = [row for row in results if one.is_about(row.host, row.subject, row.check)]
    whole = {row.check for row in results if row.host == one.host} & {REACHED, DEPLOYED}
    about = f"`{one.check}` ({one.why})"
    out = f"take {path} out of the inventory's `accepted`"
    if one.is_over(today):
        evidence = f"{about} was accepted until {one.until}, which is over"
        yield _row(one, Status.WARN, evidence, f"mend it, or say a later day; else {out}")
    elif not rows and not whole and one.check != REACHED:
        evidence = f"{about} is accepted until {one.until}, and no such check was made"
        yield _row(one, Status.WARN, evidence, out)
    elif not whole and all(row.status is Status.OK for row in rows):
        evidence = f"{about} is accepted until {one.until}, and it is OK now: {out} if it stays so"
        yield _row(one, Status.OK, evidence)


def _row(one: AcceptedFinding, status: Status, evidence: str, remedy: str = "") -> CheckResult:
    return CheckResult(CHECK, one.host, one.subject or one.host, status, evidence, remedy)
