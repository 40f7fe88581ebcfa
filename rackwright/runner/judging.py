"""What was observed of hosts, judged beside their plan; what the operator accepts is marked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from rackwright import checks
from rackwright.checks.accepting import checks_of, with_accepted
from rackwright.checks.results import CheckResult
from rackwright.runner.fleet import FleetRun
from rackwright.runner.planned import planned


def judged(
    fleet: FleetRun,
    hosts: Collection[str],
    observed: Mapping[str, Mapping[str, Any]],
    load: bool = True,
) -> list[CheckResult]:
    """Every check of all that is planned on these hosts; ``load`` as observed."""
    everything = planned(fleet, hosts, load)
    return accepted(checks.judge(everything, observed), fleet, checks_of(everything))


def accepted(
    results: Sequence[CheckResult], fleet: FleetRun, asked: Collection[str]
) -> list[CheckResult]:
    """Results with what the inventory accepts today; ``asked`` as of ``with_accepted``."""
    return with_accepted(results, fleet.spec.accepted, date.today(), asked)
