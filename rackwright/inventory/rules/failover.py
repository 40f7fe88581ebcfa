"""Rules of gateways that clients see as one: several, alike, each with its own address."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from rackwright.errors import Fault, nearest
from rackwright.inventory.rules.declared import Declared
from rackwright.spec import FailoverSpec, FleetSpec

ALIKE = ("server_name", "other_names", "port", "ask_keys", "default", "acme")
"""What clients would notice when another gateway answers them."""


def failover_faults(fleet: FleetSpec, declared: Declared) -> Iterator[Fault]:
    """Everything of ``failover`` that cannot be, or that its gateways contradict."""
    failover = fleet.failover
    if failover is None:
        return
    yield from _names(failover, declared)
    yield from _own_addresses(failover)
    yield from _shared_addresses(failover, fleet)
    yield from _unlike(failover, fleet)


def _names(failover: FailoverSpec, declared: Declared) -> Iterator[Fault]:
    path, names = "failover.gateways", list(failover.gateways)
    if len(names) < 2:
        yield Fault(path, "must name two gateways or more, each with its address", names)
    for name in names:
        if name in declared.servers - declared.gateways:
            yield Fault(path, "must be hosts with 'gateway', this is a server", name)
        elif name not in declared.gateways:
            yield Fault(path, nearest(name, declared.gateways, "gateway"), name)


def _own_addresses(failover: FailoverSpec) -> Iterator[Fault]:
    """Each gateway has its own, and of the same families as the others: they speak in one."""
    known: dict[str, str] = {}
    first = next(iter(failover.gateways), "")
    for name, addresses in failover.gateways.items():
        path = f"failover.gateways[{name}]"
        for address in addresses:
            if (other := known.setdefault(address, name)) != name:
                yield Fault(path, f"is the address of {other} too", address)
        if _families(addresses) != _families(failover.gateways[first]):
            rule = f"must have addresses of the same families as {first}: IPv4, IPv6 or both"
            yield Fault(path, rule, addresses)


def _families(addresses: tuple[str, ...]) -> set[int]:
    return {ip_address(address).version for address in addresses}


def _shared_addresses(failover: FailoverSpec, fleet: FleetSpec) -> Iterator[Fault]:
    path = "failover.addresses"
    own = {a: f"gateway {name}" for name, its in failover.gateways.items() for a in its}
    of_servers = {s.address: f"server {s.name}" for s in fleet.servers.values()}
    for address in failover.addresses:
        if holder := (of_servers | own).get(address):
            rule = f"must be an address of no host's own, {holder} has it"
            yield Fault(path, rule, address)
    if "router_id" in failover.model_fields_set and not failover.addresses:
        rule = "says nothing without failover.addresses: DNS needs no router"
        yield Fault("failover.router_id", rule, failover.router_id)


def _unlike(failover: FailoverSpec, fleet: FleetSpec) -> Iterator[Fault]:
    """Two that differ would answer the same client now so, now so."""
    gateways = [fleet.gateways[name] for name in failover.gateways if name in fleet.gateways]
    for other in gateways[1:]:
        for key in ALIKE:
            if getattr(other, key) != getattr(gateways[0], key):
                rule = f"must be as that of {gateways[0].name}: clients see them as one (failover)"
                yield Fault(f"gateways[{other.name}].{key}", rule, getattr(other, key))
