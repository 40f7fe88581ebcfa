"""A gateway, by what only it knows: addresses of servers' names there, and its own interfaces.

Where there are several, they are changed one after another.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import host

from rackwright.desired.addresses import name_faults, named_addresses, resolved
from rackwright.desired.failover import failover_items, interface_faults, interface_of, no_failover
from rackwright.desired.gateway import NO_GATEWAY, gateway_items
from rackwright.desired.items import Item
from rackwright.errors import Fault, HostError
from rackwright.plan import Upstream
from rackwright.runner.fleet import FleetRun, this_fleet
from rackwright.runner.observing import gateway_request
from rackwright.runner.operations import converge, fail, refuse
from rackwright.runner.remote_call import LOOK_UP_S, call
from rackwright.runner.turns import Stopped, Turns
from rackwright.spec import GatewaySpec, Settings

GATEWAYS = Turns("changed")
PROOF_S = 300
WELL = "200"


@operation()
def converge_gateway() -> Generator[FunctionCommand]:
    """Look up what is declared by name, then converge on a configuration that names none.

    Of a host that is no gateway, what it had as one is taken away.
    """
    fleet = this_fleet()
    settings = fleet.settings(host.name)
    if fleet.gateway is None:
        yield from converge._inner(items=[*NO_GATEWAY, *no_failover(settings)])
        return
    try:
        faults, items = _items(fleet, fleet.gateway, settings)
    except HostError as error:
        yield refuse(str(error))
        return
    if faults:
        lines = "".join(f"\n  {fault}" for fault in faults)
        remedy = f"mend it on {host.name} (DNS, /etc/hosts, its network), or what is declared"
        yield refuse(f"Nginx goes on as it was:{lines}\n{remedy}", str(faults[0]), remedy)
        return
    alone = len(fleet.spec.gateways) == 1
    request = gateway_request(fleet, settings)
    for command in converge._inner(items=items):
        yield command if alone else FunctionCommand(_in_turn, (command, request), {})


def _items(
    fleet: FleetRun, gateway: GatewaySpec, settings: Settings
) -> tuple[list[Fault], list[Item]]:
    """What is wrong with what is declared, by what the host knows; or all that it must have."""
    upstreams, failover = fleet.plan.upstreams, fleet.spec.failover
    looked_up = _looked_up(upstreams)
    faults = list(name_faults(upstreams, looked_up, host.name))
    beside = no_failover(settings)
    if failover and fleet.shares_address:
        seen = call(host, "interfaces", timeout_s=LOOK_UP_S, kind=list)
        faults += interface_faults(failover, host.name, seen)
        interface = interface_of(failover, host.name, seen) or ""
        beside = failover_items(failover, gateway, interface, settings)
    if faults:
        return faults, []
    return [], [*gateway_items(gateway, upstreams, settings, resolved(looked_up)), *beside]


def _looked_up(upstreams: Sequence[Upstream]) -> dict[str, Any]:
    names = named_addresses(upstreams)
    looked_up = call(host, "names", names, timeout_s=LOOK_UP_S, kind=dict) if names else {}
    return dict(looked_up)


def _in_turn(state: Any, host: Host, change: FunctionCommand, request: dict[str, Any]) -> bool:
    """A change of one gateway, while the others are as they were, and none after one it broke."""
    try:
        with GATEWAYS.take(host):
            before = call(host, "through_gateway", request, timeout_s=PROOF_S, kind=dict)
            if not change.function(state, host, *change.args):
                raise Stopped(f"{host.name} is not as planned, see above")
            _prove(host, before, request)
    except HostError as error:
        return fail(host, str(error))
    return True


def _prove(host: Host, before: dict[str, str], request: dict[str, Any]) -> None:
    """Raise Stopped where a service completed requests through the gateway and now does not.

    One that did not before has no replica up yet, or never had: `verify` judges it.
    """
    after = call(host, "through_gateway", request, timeout_s=PROOF_S, kind=dict)
    for name, said in before.items():
        if said == WELL and after.get(name) != WELL:
            raise Stopped(
                f"{name} completed requests through {host.name} before the change and does not "
                f"now ({after.get(name)}): see /var/log/nginx/rackwright.log there, mend it and "
                "run this again; other gateways stay as they are"
            )
