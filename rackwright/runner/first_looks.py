"""What each stage of a deploy looks at first on a host, so that it is all asked in one command.

An item is asked about by its name alone, so what it is to hold need not be known: what only the
host knows (its GPUs, addresses of names) is stood in for here, and nothing is rendered. A question
that is missing here, or is another one than its stage asks, costs that stage a command of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.context import ctx_host

from rackwright.desired import paths
from rackwright.desired.acme import acme_certificate
from rackwright.desired.addresses import is_ip, named_addresses
from rackwright.desired.base import base_items
from rackwright.desired.engines import engines_of, lock_items, release_request
from rackwright.desired.failover import failover_items, no_failover
from rackwright.desired.gateway import gateway_items
from rackwright.desired.gateway_places import SECRETS, no_gateway
from rackwright.desired.items import Item, query
from rackwright.desired.manifest import manifest
from rackwright.desired.render import names_alone
from rackwright.desired.replicas import replica_items
from rackwright.desired.routers import kinds_of, no_other_routers, router_items
from rackwright.desired.watchdog import watchdog_items
from rackwright.errors import RackwrightError
from rackwright.planning.firewall import firewall_of
from rackwright.runner.firewall import question
from rackwright.runner.fleet import FleetRun
from rackwright.runner.looking import STATE, Question, look_ahead, to_observe
from rackwright.runner.manifests import is_whole
from rackwright.runner.secrets import key_files
from rackwright.runner.weights import request_of as weights_of
from rackwright.spec import GatewaySpec


class Items(list[Item]):
    """What a stage compares its host with: asked as one question, with those of all others."""


Look = Question | Items
Looks = Iterator[Look]
SOME_ADDRESS = "192.0.2.1"
"""Of none (RFC 5737): where a name leads is asked."""


def ask_ahead(fleet: FleetRun, inventory: Inventory) -> None:
    """Have each host of a run asked at once, for the stages that it is to go through."""

    def questions(host: Host) -> list[Question]:
        with ctx_host.use(host), names_alone():
            asked: list[Look] = []
            for stage in STAGES:
                asked += _of(stage, fleet, host.name)
            if is_whole(fleet, host) and fleet.driver_version(host.name) is None:
                # A driver's packages are known once its host was asked: then it is looked at later.
                known = [item for one in asked if isinstance(one, Items) for item in one]
                asked.append(Items([manifest(host.name, fleet.spec, fleet.plan, known)]))
            return [_items(one) if isinstance(one, Items) else one for one in asked]

    look_ahead(inventory, questions)


def _of(stage: str, fleet: FleetRun, name: str) -> list[Look]:
    """What is wrong with a stage it says itself, when it comes to it."""
    try:
        return list(STAGES[stage](fleet, name)) if fleet.wants(stage) else []
    except RackwrightError:
        return []


def _items(items: Items) -> Question:
    return [STATE, {"do": "observe", "items": query(items)}]


def _base(fleet: FleetRun, name: str) -> Looks:
    if fleet.gateway:
        yield ["gateway_host", [], SECRETS]
    own = base_items(
        fleet.settings(name),
        server=fleet.server is not None,
        gateway=fleet.gateway is not None,
        shares_address=fleet.shares_address,
        engines=engines_of(fleet.replicas),
        firewall=fleet.firewall is not None,
        routers=bool(fleet.routers),
    )
    yield Items([*fleet.of_apt, *own])


def _firewall(fleet: FleetRun, name: str) -> Looks:
    yield ["firewall", {"do": "observe", **question(fleet.firewall, fleet.settings(name))}]
    walls = (firewall_of(server, fleet.spec, fleet.plan) for server in fleet.spec.servers)
    if fleet.gateway and any(wall and name in wall.asked for wall in walls):
        yield ["routes", [server.address for server in fleet.spec.servers.values()]]


def _driver(fleet: FleetRun, name: str) -> Looks:
    if fleet.server and fleet.settings(name).driver_source != "none":
        yield ["driver", {"do": "observe"}]


def _releases(used: Any, fleet: FleetRun, name: str) -> Looks:
    settings = fleet.settings(name)
    if items := lock_items(used, settings):
        yield Items(items)
    if request := release_request(used, settings):
        yield ["release", to_observe(request)]


def _engines(fleet: FleetRun, name: str) -> Looks:
    yield from _releases(engines_of(fleet.replicas), fleet, name)


def _models(fleet: FleetRun, name: str) -> Looks:
    if request := weights_of(fleet, name):
        yield ["weights", to_observe(request)]


def _replicas(fleet: FleetRun, name: str) -> Looks:
    settings, replicas = fleet.settings(name), fleet.replicas
    last = max((index for one in replicas for index in one.gpus), default=-1)
    ids = [f"GPU-{index}" for index in range(last + 1)]
    gpus = [{"uuid": one, "pci_bus_id": one} for one in ids] if name in fleet.watchdogs else []
    if replicas:
        yield ["gpu_names", paths.watchdog_dir(settings)]
        if not is_ip(replicas[0].server.address):
            yield ["names", [replicas[0].server.address]]
    yield Items(watchdog_items(name, fleet.spec, fleet.plan, gpus, b""))
    yield Items(replica_items(replicas, settings, ids))


def _gateway(fleet: FleetRun, name: str) -> Looks:
    yield from _releases(kinds_of(fleet.routers), fleet, name)
    settings = fleet.settings(name)
    if fleet.gateway is None:
        none = (*no_gateway(settings), *no_other_routers((), settings), *no_failover(settings))
        yield Items(none)
        return
    names = named_addresses(fleet.plan.upstreams)
    yield ["gateway_host", names, SECRETS]
    yield Items(_of_gateway(fleet, fleet.gateway, dict.fromkeys(names, SOME_ADDRESS)))
    if fleet.shares_address:
        yield ["interfaces"]
    wanted = acme_certificate(fleet.gateway, fleet.spec.services.values(), settings)
    if wanted:
        yield ["acme", {**wanted.request(), "do": "observe"}]


def _of_gateway(
    fleet: FleetRun, gateway: GatewaySpec, addresses: Mapping[str, str]
) -> Iterator[Item]:
    settings, upstreams, routers = fleet.settings(gateway.name), fleet.plan.upstreams, fleet.routers
    keys, failover = key_files(fleet.clients, fleet.spec, gateway.name), fleet.spec.failover
    peers = failover.peers(gateway.name) if failover else ()
    also = (peers, fleet.watchdogs, routers)
    yield from gateway_items(gateway, upstreams, settings, addresses, (), keys, *also)
    yield from router_items(routers, upstreams, settings, addresses)
    yield from no_other_routers(routers, settings)
    if failover and fleet.shares_address:
        yield from failover_items(failover, gateway, "", settings)
    else:
        yield from no_failover(settings)


STAGES: dict[str, Callable[[FleetRun, str], Looks]] = {
    "base": _base,
    "firewall": _firewall,
    "driver": _driver,
    "engines": _engines,
    "models": _models,
    "replicas": _replicas,
    "gateway": _gateway,
}
"""By the name of each stage; what ``verify`` asks is of the end, and asked then."""
