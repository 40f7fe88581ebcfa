"""A gateway needs what only it knows: its system, addresses of servers' names, name servers."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from pyinfra.api.command import FunctionCommand
from pyinfra.api.operation import operation
from pyinfra.context import host

from rackwright.desired.addresses import is_ip, name_faults, named_addresses, resolved
from rackwright.desired.gateway import gateway_items, overflows
from rackwright.desired.gateway_keys import KeyFiles
from rackwright.desired.gateway_places import no_gateway
from rackwright.desired.gateway_system import REMEDY, unfit
from rackwright.errors import HostError
from rackwright.plan import Upstream
from rackwright.runner.operations import converge, refuse
from rackwright.runner.remote_call import LOOK_UP_S, call
from rackwright.spec import GatewaySpec, Settings

Known = Mapping[str, Any]
"""What the host knows, as ``remote/gateway_host.py`` answers."""


@operation()
def require_gateway_system(gateway: GatewaySpec | None) -> Generator[FunctionCommand]:
    """Refuse a host whose system cannot be a gateway, before anything is changed on it."""
    if gateway is None:
        host.noop("not a gateway")
        return
    try:
        known = _known([])
    except HostError as error:
        yield refuse(str(error))
        return
    if why := unfit(known["system"]):
        yield refuse(f"{host.name}: {why}: {REMEDY}", why, REMEDY)
    else:
        host.noop("its system can be a gateway")


@operation()
def converge_gateway(
    gateway: GatewaySpec | None, upstreams: Sequence[Upstream], settings: Settings, keys: KeyFiles
) -> Generator[FunctionCommand]:
    """Look up what is declared by name, then converge on a configuration that names none.

    Of a host that is no gateway, what it had as one is taken away.
    """
    if gateway is None:
        yield from converge._inner(items=no_gateway(settings))
        return
    try:
        known = _known(named_addresses(upstreams))
    except HostError as error:
        yield refuse(str(error))
        return
    if refusal := _refusal(upstreams, known):
        yield refuse(*refusal)
        return
    addresses, nameservers = resolved(known["names"]), _nameservers(known)
    items = gateway_items(gateway, upstreams, settings, addresses, nameservers, keys)
    yield from converge._inner(items=items)


def _known(names: Sequence[str]) -> Known:
    known: Known = call(host, "gateway_host", list(names), timeout_s=LOOK_UP_S, kind=dict)
    return known


def _refusal(upstreams: Sequence[Upstream], known: Known) -> tuple[str, str, str] | None:
    """Why the host's Nginx goes on as it was: in whole, in short, and what to do."""
    if why := unfit(known["system"]):
        return f"{host.name}: {why}: {REMEDY}", why, REMEDY
    if faults := list(name_faults(upstreams, known["names"], host.name)):
        lines = "".join(f"\n  {fault}" for fault in faults)
        remedy = f"mend the name for {host.name} (DNS, /etc/hosts), or declare the IP address"
        return f"Nginx goes on as it was:{lines}\n{remedy}", str(faults[0]), remedy
    if overflows(upstreams) and not _nameservers(known):
        why = "/etc/resolv.conf names no server that Nginx could ask for an outside API"
        remedy = f"name one on {host.name}, or leave overflow out"
        return f"{host.name}: {why}: {remedy}", why, remedy
    return None


def _nameservers(known: Known) -> tuple[str, ...]:
    """A host may answer anything; what is no address is none."""
    said = known["nameservers"]
    return tuple(name for name in said if isinstance(name, str) and is_ip(name.strip("[]")))
