"""Every check, asked of everything that is planned; and one row for a host that was not reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rackwright.checks.observed import Observation, part_of
from rackwright.checks.planned import Planned, PlannedGateway, PlannedRank
from rackwright.checks.results import CheckResult, Status
from rackwright.checks.table import CHECKS

_ABOVE = "see what the run said of this host"


def judge(planned: Sequence[Planned], observed: Mapping[str, Observation]) -> list[CheckResult]:
    """Run every check on every planned host, server, replica and service.

    ``observed`` maps a host to what ``remote/serving.py`` answered there, with what
    ``probe.py`` saw of a GPU server under ``probe``. A host that gave no answer (``error``), or
    that a stage before failed on (``failed``: stage, what, remedy), is one CRITICAL row.
    """
    results: list[CheckResult] = []
    unreached: dict[str, CheckResult] = {}
    for one in planned:
        seen = observed.get(one.host)
        seen = seen if isinstance(seen, Mapping) else {}
        if not seen or "error" in seen or "failed" in seen:
            unreached.setdefault(one.host, _unreached(one.host, seen))
        else:
            part = one.part_of(seen)
            if isinstance(one, (PlannedGateway, PlannedRank)):
                part = {**part, **one.beside(observed)}
            results += [check.ask(one, part) for check in CHECKS if check.is_asked(one, part)]
    return [*unreached.values(), *results]


def _unreached(host: str, seen: Observation | None) -> CheckResult:
    """One row for a host that was not asked: a stage before failed, or it was not reached."""
    if seen and "failed" in seen:
        failed = part_of(seen, "failed")
        evidence = f"{failed.get('stage')}: {failed.get('what')}"
        remedy = f"{failed.get('remedy') or _ABOVE}; then run this again"
        return CheckResult("deployed", host, host, Status.CRITICAL, evidence, remedy)
    why = seen["error"] if seen else "the host failed earlier in this run, or could not be reached"
    remedy = f"`ssh {host}` must work and the host must answer; then run this again"
    return CheckResult("reached", host, host, Status.CRITICAL, str(why), remedy)
