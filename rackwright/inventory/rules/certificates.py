"""Rules of a gateway's certificate: whose it is, and which names a CA can put into it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from ipaddress import ip_address

from rackwright.errors import Fault
from rackwright.planning.names import gateway_names
from rackwright.spec import GatewaySpec, ServiceSpec

COMMON_NAME = 64
"""Characters that the subject of a certificate has room for (RFC 5280, ub-common-name)."""
MOST_NAMES = 100
"""Of one certificate, as Let's Encrypt limits them."""
NOBODYS = (
    *("alt", "example", "invalid", "local", "localhost", "onion", "test"),  # IANA, special use
    *("internal", "home.arpa"),  # ICANN 2024; RFC 8375
    *("corp", "home", "mail"),  # ICANN 2018: never delegated
    *("intranet", "lan", "localdomain", "private"),  # RFC 6762, appendix G
)
"""Ends of names that nobody can prove to own, so that no public CA certifies them."""
INSTEAD = "give certificate and certificate_key, or neither for a self-signed one, instead of acme"


def certificate_faults(gateway: GatewaySpec, services: Collection[ServiceSpec]) -> Iterator[Fault]:
    """A certificate has its key, or one CA; and each of its names is one that can be in it.

    ``services`` are those behind the gateway, whose names it has too.
    """
    path = f"gateways[{gateway.name}]"
    if len(gateway.server_name) > COMMON_NAME and not gateway.certificate:
        rule = (
            f"must have at most {COMMON_NAME} characters in a self-signed certificate; "
            "or give certificate and certificate_key"
        )
        yield Fault(f"{path}.server_name", rule, gateway.server_name)
    if bool(gateway.certificate) != bool(gateway.certificate_key):
        missing = "certificate_key" if gateway.certificate else "certificate"
        yield Fault(f"{path}.{missing}", "is required beside its other half")
    if gateway.acme:
        yield from _acme(gateway, services, path)


def _acme(gateway: GatewaySpec, services: Collection[ServiceSpec], path: str) -> Iterator[Fault]:
    if gateway.certificate or gateway.certificate_key:
        rule = "must be left out beside certificate and certificate_key: a CA issues it, or you do"
        yield Fault(f"{path}.acme", rule)
    for own, name in _names(gateway, services, path):
        if why := uncertifiable(name):
            instead = INSTEAD if own.startswith(path) else f"{INSTEAD} of {path}"
            yield Fault(own, f"{why}; {instead}", name)
    if (count := len(gateway_names(gateway, services))) > MOST_NAMES:
        yield Fault(f"{path}.other_names", f"must be at most {MOST_NAMES} with acme", count)


def _names(
    gateway: GatewaySpec, services: Collection[ServiceSpec], path: str
) -> Iterator[tuple[str, str]]:
    yield f"{path}.server_name", gateway.server_name
    for index, name in enumerate(gateway.other_names):
        yield f"{path}.other_names[{index}]", name
    for service in services:
        for index, name in enumerate(service.host_names):
            yield f"services[{service.name}].host_names[{index}]", name


def uncertifiable(name: str) -> str:
    """Why no public CA certifies a name by its HTTP challenge; empty where one may."""
    if _is_address(name):
        return "must be a host name with acme, certbot asks for no certificate of an IP address"
    if "." not in name:
        return "must be a full host name with acme, nobody can prove to own a name without a dot"
    end = next((one for one in NOBODYS if name.lower().endswith(f".{one}")), None)
    return f"must be a public name with acme, no CA certifies what ends in .{end}" if end else ""


def _is_address(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False
