"""A gateway needs what only it knows: its system, its network, addresses of servers' names."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import host

from rackwright.desired.addresses import is_ip, name_faults, named_addresses, resolved
from rackwright.desired.failover import failover_items, interface_faults, interface_of, no_failover
from rackwright.desired.gateway import gateway_items, overflows
from rackwright.desired.gateway_places import SECRETS, no_gateway
from rackwright.desired.gateway_system import REMEDY, unfit
from rackwright.desired.items import File, Item
from rackwright.desired.routers import no_other_routers, router_items
from rackwright.errors import Fault, HostError
from rackwright.plan import Upstream
from rackwright.runner.engine_keys import with_engine_keys
from rackwright.runner.fleet import FleetRun, this_fleet
from rackwright.runner.gateway_turns import in_turn
from rackwright.runner.looking import look
from rackwright.runner.manifests import with_manifest
from rackwright.runner.operations import converge, fail, refuse
from rackwright.runner.remote_call import LOOK_UP_S
from rackwright.runner.secrets import engine_key_id, key_files
from rackwright.runner.steps.expected import expected
from rackwright.spec import GatewaySpec, Settings

Known = Mapping[str, Any]
"""What the host knows, as ``remote/gateway_host.py`` answers."""
Refusal = tuple[str, str, str]
"""Why the host's Nginx goes on as it was: in whole, in short, and what to do."""


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
def converge_gateway() -> Generator[FunctionCommand]:
    """Look up what is declared by name, then converge on a configuration that names none.

    Of a host that is no gateway, what it had as one is taken away.
    """
    fleet = this_fleet()
    settings = fleet.settings(host.name)
    if fleet.gateway is None:
        none = (*no_gateway(settings), *no_other_routers((), settings), *no_failover(settings))
        yield from converge._inner(items=with_manifest(fleet, host, none))
        return
    try:
        refusal, items, known = _items(fleet, fleet.gateway, settings)
    except HostError as error:
        yield refuse(str(error))
        return
    if refusal:
        yield refuse(*refusal)
        return
    if why := expected(host.inventory).stopped:
        # What is planned does not run everywhere, and gateways know where that listens.
        host.log_styled(f"  {why}: this gateway goes on with the data that it has", fg="yellow")
        return
    if not any(isinstance(one, File) and one.key == SECRETS for part in items for one in part):
        host.log_styled("  a replica has the engines' key of before: it is kept", fg="yellow")
        if engine_key_id(settings) not in ("", *known):
            yield FunctionCommand(_learn, (), {})
    first, second = items
    items = first, with_manifest(fleet, host, second, also=first)
    alone = len(fleet.spec.gateways) == 1
    for part in filter(None, items):
        for command in converge._inner(items=part):
            yield command if alone else _proven(command, fleet, settings)


def _proven(change: FunctionCommand, fleet: FleetRun, settings: Settings) -> FunctionCommand:
    from rackwright.runner.observing import gateway_request  # of what changes alone

    return FunctionCommand(in_turn, (change, gateway_request(fleet, settings)), {})


def _learn(state: Any, host: Host) -> bool:
    """The engines' new key beside its own."""
    from rackwright.runner.steps.gates import Gates  # all of rollouts: keys change rarely

    try:
        Gates(this_fleet(), host.inventory).learn(only=host.name)
    except HostError as error:
        return fail(host, str(error))
    return True


def _items(
    fleet: FleetRun, gateway: GatewaySpec, settings: Settings
) -> tuple[Refusal | None, tuple[list[Item], ...], Sequence[str]]:
    """What is wrong with what is declared, by what the host knows; or all that it must have.

    And the ids of the engines' keys that it has.

    Routers listen before data that name them are loaded, and go once none do.
    """
    upstreams = fleet.plan.upstreams
    known = _known(named_addresses(upstreams))
    if refusal := _refusal(upstreams, known):
        return refusal, (), ()
    faults, shared = _shared(fleet, gateway, settings)
    if faults:
        return _refused(faults, "its network"), (), ()
    failover = fleet.spec.failover
    peers = failover.peers(gateway.name) if failover else ()
    keys = with_engine_keys(
        key_files(fleet.clients, fleet.spec, host.name),
        *(known["key_ids"], fleet, host.inventory, host.name),
    )
    addresses, nameservers = resolved(known["names"]), _nameservers(known)
    routers, watchdogs = fleet.routers, fleet.watchdogs
    items = gateway_items(
        *(gateway, upstreams, settings, addresses, nameservers, keys, peers), watchdogs, routers
    )
    first = router_items(routers, upstreams, settings, addresses)
    parts = first, [*items, *no_other_routers(routers, settings), *shared]
    return None, parts, known["key_ids"]


def _shared(
    fleet: FleetRun, gateway: GatewaySpec, settings: Settings
) -> tuple[list[Fault], list[Item]]:
    """What it must have to hold addresses in turn with others, or to hold none any more."""
    failover = fleet.spec.failover
    if failover is None or not fleet.shares_address:
        return [], no_failover(settings)
    seen = look(host, "interfaces", timeout_s=LOOK_UP_S, kind=list)
    faults = list(interface_faults(failover, host.name, seen))
    interface = interface_of(failover, host.name, seen) or ""
    return faults, [] if faults else failover_items(failover, gateway, interface, settings)


def _known(names: Sequence[str]) -> Known:
    known: Known = look(host, "gateway_host", list(names), SECRETS, timeout_s=LOOK_UP_S, kind=dict)
    return known


def _refusal(upstreams: Sequence[Upstream], known: Known) -> Refusal | None:
    if why := unfit(known["system"]):
        return f"{host.name}: {why}: {REMEDY}", why, REMEDY
    if faults := list(name_faults(upstreams, known["names"], host.name)):
        return _refused(faults, "DNS, /etc/hosts")
    if overflows(upstreams) and not _nameservers(known):
        why = "/etc/resolv.conf names no server that Nginx could ask for an outside API"
        remedy = f"name one on {host.name}, or leave overflow out"
        return f"{host.name}: {why}: {remedy}", why, remedy
    return None


def _refused(faults: Sequence[Fault], where: str) -> Refusal:
    lines = "".join(f"\n  {fault}" for fault in faults)
    remedy = f"mend it on {host.name} ({where}), or what is declared"
    return f"Nginx goes on as it was:{lines}\n{remedy}", str(faults[0]), remedy


def _nameservers(known: Known) -> tuple[str, ...]:
    """A host may answer anything; what is no address is none."""
    said = known["nameservers"]
    return tuple(name for name in said if isinstance(name, str) and is_ip(name.strip("[]")))
