"""Servers that are declared by a host name: which IP address the gateway has for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from rackwright.errors import Fault
from rackwright.plan import Upstream
from rackwright.spec import ServerSpec


def named_addresses(upstreams: Sequence[Upstream]) -> list[str]:
    """Addresses of servers that are host names: the gateway has to look them up."""
    return [server.address for server in _servers(upstreams) if not is_ip(server.address)]


def resolved(looked_up: Mapping[str, Any]) -> dict[str, str]:
    """The address of each name that has one and no more."""
    found = {name: said.get("addresses") or [] for name, said in looked_up.items()}
    return {name: addresses[0] for name, addresses in found.items() if len(addresses) == 1}


def name_faults(
    upstreams: Sequence[Upstream], looked_up: Mapping[str, Any], gateway: str
) -> Iterator[Fault]:
    """What is wrong with what a gateway knows of the names, also of two together."""
    known: dict[str, str] = {}
    for server in _servers(upstreams):
        said = looked_up.get(server.address, {"addresses": [server.address]})
        if fault := _fault(server, said, gateway):
            yield fault
            continue
        ip = said["addresses"][0]
        if (first := known.setdefault(ip, server.name)) != server.name:
            rule = f"is {ip} on {gateway}, as is that of {first}"
            yield Fault(f"servers[{server.name}].address", rule, server.address)


def own_name_fault(server: ServerSpec, said: Mapping[str, Any], reached: bool) -> Fault | None:
    """What is wrong with what a server knows of its own name, which its engines listen at.

    ``reached``: from other hosts. Debian's installer makes a host's own name 127.0.1.1 there.
    """
    if fault := _fault(server, said, server.name):
        return fault
    ip = said["addresses"][0]
    if reached and ip_address(ip).is_loopback:
        rule = f"is {ip} on {server.name} itself, where no gateway reaches it: mend its /etc/hosts"
        return Fault(f"servers[{server.name}].address", rule, server.address)
    return None


def _fault(server: ServerSpec, said: Mapping[str, Any], host: str) -> Fault | None:
    """A name of several addresses is refused: an engine listens at one, nobody says which."""
    path, addresses = f"servers[{server.name}].address", said.get("addresses") or []
    if not addresses:
        why = said.get("error", "no address")
        return Fault(path, f"is a name that {host} cannot look up ({why})", server.address)
    if len(addresses) > 1:
        rule = f"is {' and '.join(addresses)} on {host}: say which of them"
        return Fault(path, rule, server.address)
    return None


def ip_of(address: str, resolved: Mapping[str, str]) -> str:
    """As Nginx has a server's host: its IP address, one of IPv6 in brackets."""
    ip = resolved.get(address, address)
    return f"[{ip}]" if ":" in ip else ip


def _servers(upstreams: Sequence[Upstream]) -> Iterator[ServerSpec]:
    """Each once, in the order of the plan."""
    found = {one.server.name: one.server for upstream in upstreams for one in upstream.replicas}
    yield from found.values()


def is_ip(address: str) -> bool:
    """Whether an address is none that has to be looked up."""
    try:
        return bool(ip_address(address))
    except ValueError:
        return False
