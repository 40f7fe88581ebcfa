"""What must fit together across hosts, services, models and the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from rackwright.driver import contradictions
from rackwright.errors import Fault
from rackwright.inventory.rules.accepted import accepted_faults
from rackwright.inventory.rules.certificates import certificate_faults
from rackwright.inventory.rules.claims import claims, twice
from rackwright.inventory.rules.declared import Declared
from rackwright.inventory.rules.delays import delay_faults
from rackwright.inventory.rules.failover import failover_faults
from rackwright.inventory.rules.folders import folder_faults
from rackwright.inventory.rules.gateways import asking_faults
from rackwright.inventory.rules.servers import server_faults
from rackwright.inventory.rules.services import service_faults
from rackwright.inventory.rules.weights import model_faults
from rackwright.spec import FleetSpec

__all__ = ["Declared", "check"]


def check(fleet: FleetSpec, declared: Declared) -> Iterator[Fault]:
    """Every fault between the parts of ``fleet``; parts that could not be read are skipped."""
    if not declared.services:
        yield Fault("services", "must name at least one service")
    if declared.services and not declared.gateways:
        yield Fault("gateways", "must have at least one host with 'gateway', services need one")
    for server in fleet.servers.values():
        yield from server_faults(server, fleet, declared)
    for gateway in fleet.gateways.values():
        yield from certificate_faults(gateway, fleet.services.values())
    yield from failover_faults(fleet, declared)
    for service in fleet.services.values():
        yield from model_faults(service, fleet, declared)
        yield from service_faults(service, fleet, declared)
    yield from accepted_faults(fleet, declared, date.today())
    yield from asking_faults(fleet, declared)
    yield from delay_faults(fleet)
    yield from folder_faults(fleet)
    yield from twice(fleet)
    yield from claims(fleet)
    yield from contradictions.check(fleet)
