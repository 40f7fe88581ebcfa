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
    return [server.address for server in _servers(upstreams) if not _is_ip(server.address)]


def resolved(looked_up: Mapping[str, Any]) -> dict[str, str]:
    """The address of each name that has one and no more."""
    found = {name: said.get("addresses") or [] for name, said in looked_up.items()}
    return {name: addresses[0] for name, addresses in found.items() if len(addresses) == 1}


def name_faults(
    upstreams: Sequence[Upstream], looked_up: Mapping[str, Any], gateway: str
) -> Iterator[Fault]:
    """What is wrong with what a gateway knows of the names.

    A name of several addresses is refused: an engine listens at one of them, nobody says which.
    """
    known: dict[str, str] = {}
    for server in _servers(upstreams):
        path, name = f"servers[{server.name}].address", server.address
        said = looked_up.get(name, {"addresses": [name]})
        addresses = said.get("addresses") or []
        if not addresses:
            why = said.get("error", "no address")
            yield Fault(path, f"is a name that {gateway} cannot look up ({why})", name)
        elif len(addresses) > 1:
            rule = f"is {' and '.join(addresses)} on {gateway}: say which of them"
            yield Fault(path, rule, name)
        elif (first := known.setdefault(addresses[0], server.name)) != server.name:
            yield Fault(path, f"is {addresses[0]} on {gateway}, as is that of {first}", name)


def address_of(address: str, port: int, resolved: Mapping[str, str]) -> str:
    """As Nginx has a server: its IP address, and the port."""
    ip = resolved.get(address, address)
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _servers(upstreams: Sequence[Upstream]) -> Iterator[ServerSpec]:
    """Each once, in the order of the plan."""
    found = {one.server.name: one.server for upstream in upstreams for one in upstream.replicas}
    yield from found.values()


def _is_ip(address: str) -> bool:
    try:
        return bool(ip_address(address))
    except ValueError:
        return False
