"""Rules of findings that are accepted: of a check that is made there, for a while, once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from rackwright.errors import Fault, nearest
from rackwright.inventory.rules.declared import Declared
from rackwright.plan import FleetPlan
from rackwright.spec import AcceptedFinding, FleetSpec

LONGEST = timedelta(days=366)


def accepted_faults(fleet: FleetSpec, declared: Declared, today: date) -> Iterator[Fault]:
    """Everything of ``accepted`` that cannot be. A day that is over is none: the checks say so."""
    known: dict[tuple[str, str, str | None], str] = {}
    for path, one in fleet.accepted.items():
        yield from _names(path, one, declared)
        if one.until > today + LONGEST:
            rule = f"must be at most a year ahead, {today + LONGEST} (look at it again then)"
            yield Fault(f"{path}.until", rule, str(one.until))
        if (first := known.setdefault((one.host, one.check, one.subject), path)) != path:
            yield Fault(path, f"is what {first} accepts already")


def _names(path: str, one: AcceptedFinding, declared: Declared) -> Iterator[Fault]:
    # Every check there is: few inventories accept anything.
    from rackwright.checks.accepting import kinds_by_check
    from rackwright.driver.preflight import PREDICTIONS

    kinds = {**dict.fromkeys(PREDICTIONS, "server"), **kinds_by_check()}
    if one.host not in declared.servers | declared.gateways:
        rule = nearest(one.host, declared.servers | declared.gateways, "host")
        yield Fault(f"{path}.host", rule, one.host)
    if one.check not in kinds:
        yield Fault(f"{path}.check", nearest(one.check, kinds, "check"), one.check)
    elif rule := _elsewhere(one.host, kinds[one.check], declared):
        yield Fault(f"{path}.check", rule, one.check)


def _elsewhere(host: str, kind: str, declared: Declared) -> str:
    """Why a check of that kind is never made of a host; empty where it may be."""
    from rackwright.checks.accepting import KINDS_OF_GATEWAYS, KINDS_OF_SERVERS

    if kind in KINDS_OF_SERVERS and host in declared.gateways - declared.servers:
        return f"is asked of GPU servers alone, {host} is none"
    if kind in KINDS_OF_GATEWAYS and host in declared.servers - declared.gateways:
        return f"is asked of gateways alone, {host} is none"
    return ""


def subject_faults(fleet: FleetSpec, plan: FleetPlan) -> Iterator[Fault]:
    """Subjects of accepted findings that nothing planned is called by."""
    replicas = (replica.name for replica in plan.replicas)
    known = {*fleet.settings, *fleet.services, *replicas}
    for path, one in fleet.accepted.items():
        if one.subject is not None and one.subject not in known:
            rule = nearest(one.subject, known, "replica, service or host")
            yield Fault(f"{path}.subject", rule, one.subject)
