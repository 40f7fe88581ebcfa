"""Rules of servers and gateways: what their hardware can be, and where they are reached."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from rackwright.errors import Fault
from rackwright.inventory.rules.declared import Declared
from rackwright.inventory.rules.gpus import gpu_faults
from rackwright.spec import FleetSpec, GatewaySpec, ServerSpec

COMMON_NAME = 64
"""Characters that the subject of a certificate has room for (RFC 5280, ub-common-name)."""


def server_faults(server: ServerSpec, fleet: FleetSpec, declared: Declared) -> Iterator[Fault]:
    """GPU type, links and address of a server: each possible, and agreeing with the others."""
    yield from gpu_faults(server, fleet, declared)
    yield from _address(server, fleet)


def _address(server: ServerSpec, fleet: FleetSpec) -> Iterator[Fault]:
    path = f"servers[{server.name}]"
    if _loopback(server.address) and set(fleet.gateways) - {server.name}:
        rule = "must be reachable from the gateways, this is the server's own loopback"
        yield Fault(f"{path}.address", rule, server.address)
    settings = fleet.settings.get(server.name)
    if settings and settings.firewall == "off" and _is_public(server.address):
        rule = (
            "must be a private address where firewall is off, or else engines answer all the "
            "world: set firewall to engines or host"
        )
        yield Fault(f"{path}.address", rule, server.address)


def gateway_faults(gateway: GatewaySpec) -> Iterator[Fault]:
    """A certificate has its key; one that the gateway makes itself has room for its name."""
    if len(gateway.server_name) > COMMON_NAME and not gateway.certificate:
        rule = (
            f"must have at most {COMMON_NAME} characters in a self-signed certificate; "
            "or give certificate and certificate_key"
        )
        yield Fault(f"gateways[{gateway.name}].server_name", rule, gateway.server_name)
    if bool(gateway.certificate) != bool(gateway.certificate_key):
        missing = "certificate_key" if gateway.certificate else "certificate"
        yield Fault(f"gateways[{gateway.name}].{missing}", "is required beside its other half")


def _is_public(address: str) -> bool:
    try:
        return ip_address(address).is_global
    except ValueError:
        return False  # a name: where it leads to, hosts alone know


def _loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
