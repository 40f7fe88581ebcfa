"""The names that gateways are called by, and what name servers have to say of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from rackwright.plan import NameRecords
from rackwright.spec import FleetSpec, GatewaySpec, ServiceSpec


def gateway_names(gateway: GatewaySpec, services: Iterable[ServiceSpec]) -> tuple[str, ...]:
    """Each once, in small letters, its first first; with those of the services behind it."""
    of_services = (name for service in services for name in service.host_names)
    names = (gateway.server_name, *gateway.other_names, *of_services)
    return tuple(dict.fromkeys(map(str.lower, names)))


def records(fleet: FleetSpec) -> Iterator[NameRecords]:
    """Of each name of the gateways that clients see as one; none of a name that is an address."""
    failover = fleet.failover
    if failover is None:
        return
    gateway = fleet.gateways[next(iter(failover.gateways))]
    for name in gateway_names(gateway, fleet.services.values()):
        if not _is_ip(name):
            yield NameRecords(name=name, addresses=failover.records)


def _is_ip(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False
