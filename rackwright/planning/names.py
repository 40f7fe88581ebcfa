"""What DNS has to say of gateways that clients see as one."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from rackwright.plan import NameRecords
from rackwright.spec import FleetSpec


def records(fleet: FleetSpec) -> Iterator[NameRecords]:
    """Of each name of the gateways that clients see as one; none of a name that is an address."""
    failover = fleet.failover
    if failover is None:
        return
    gateway = fleet.gateways[next(iter(failover.gateways))]
    for name in dict.fromkeys((gateway.server_name, *gateway.other_names)):
        if not _is_ip(name):
            yield NameRecords(name=name, addresses=failover.records)


def _is_ip(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False
