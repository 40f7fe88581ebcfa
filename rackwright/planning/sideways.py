"""Which servers give one another weights and wheels, and where each listens for that."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import ip_address

from rackwright.plan import FleetPlan
from rackwright.spec import FleetSpec, ServerSpec

MOST_KNOWN = 4096
"""Addresses that are read once: each server's is looked at for each of the others."""


def sideways_port_of(name: str, spec: FleetSpec, plan: FleetPlan) -> int | None:
    """Where a host listens while a run needs it; None for one that others never ask."""
    if name not in spec.servers or not plan.on(name) or spec.settings[name].sideways == "off":
        return None
    if is_loopback(spec.servers[name].address):
        return None
    return spec.settings[name].sideways_port


def sharers(name: str, spec: FleetSpec, plan: FleetPlan) -> Iterator[ServerSpec]:
    """The other servers that run an engine of this one's, or serve a model of it.

    None of a server that takes no part.
    """
    if sideways_port_of(name, spec, plan) is None:
        return
    for other in plan.alike(name):
        if sideways_port_of(other, spec, plan) is not None:
            yield spec.servers[other]


@lru_cache(MOST_KNOWN)
def is_loopback(address: str) -> bool:
    """Whether only the server itself comes to an address."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
