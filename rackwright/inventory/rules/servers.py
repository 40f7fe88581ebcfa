"""Rules of servers and gateways: what their hardware can be, and where they are reached."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from rackwright.errors import Fault
from rackwright.inventory.rules.declared import Declared
from rackwright.inventory.rules.gpus import gpu_faults
from rackwright.spec import FleetSpec, GatewaySpec, ServerSpec


def server_faults(server: ServerSpec, fleet: FleetSpec, declared: Declared) -> Iterator[Fault]:
    """GPU type, links and address of a server: each possible, and agreeing with the others."""
    yield from gpu_faults(server, fleet, declared)
    yield from _address(server, fleet)


def _address(server: ServerSpec, fleet: FleetSpec) -> Iterator[Fault]:
    path = f"servers[{server.name}]"
    if _unspecified(server.address):
        yield Fault(f"{path}.address", "must be one address, not all of them", server.address)
    elif _loopback(server.address) and set(fleet.gateways) - {server.name}:
        rule = "must be reachable from the gateways, this is the server's own loopback"
        yield Fault(f"{path}.address", rule, server.address)


def gateway_faults(gateway: GatewaySpec) -> Iterator[Fault]:
    """A certificate has its key."""
    if bool(gateway.certificate) != bool(gateway.certificate_key):
        missing = "certificate_key" if gateway.certificate else "certificate"
        yield Fault(f"gateways[{gateway.name}].{missing}", "is required beside its other half")


def _loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _unspecified(address: str) -> bool:
    try:
        return ip_address(address).is_unspecified
    except ValueError:
        return False
