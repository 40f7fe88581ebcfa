"""Every item that a host is to have, of all stages of a deploy: the same that it compares."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.desired.addresses import is_ip, resolved
from rackwright.desired.base import base_items
from rackwright.desired.engines import engines_of, lock_items
from rackwright.desired.failover import failover_items, interface_of, no_failover
from rackwright.desired.gateway import gateway_items, overflows
from rackwright.desired.gateway_places import no_gateway
from rackwright.desired.items import Item
from rackwright.desired.manifest import manifest
from rackwright.desired.replicas import replica_items
from rackwright.desired.routers import kinds_of, no_other_routers, router_items
from rackwright.desired.watchdog import watchdog_items
from rackwright.drift.host import Known, PlannedHost
from rackwright.driver.facts import Facts, Unknown
from rackwright.driver.plan import DriverPlan, Unsupported, decide
from rackwright.locking.applied import locked_driver
from rackwright.spec import GatewaySpec


def expected(host: PlannedHost, known: Known) -> list[Item]:
    """Each once, in the order of stages; the manifest of all of them last."""
    locked = host.locked(list(_stages(host, known)))
    found = {(item.kind, item.key): item for item in locked}
    items = list(found.values())
    return [*items, manifest(host.name, host.spec, host.plan, items)]


def _stages(host: PlannedHost, known: Known) -> Iterator[Item]:
    settings, replicas = host.settings, host.replicas
    routers = host.plan.routers_on(host.name)
    engines = engines_of(replicas)
    yield from host.of_apt
    yield from base_items(
        settings,
        server=host.server is not None,
        gateway=host.gateway is not None,
        shares_address=host.shares_address,
        engines=engines,
        firewall=host.firewall is not None,
        routers=bool(routers),
    )
    if driver := driver_plan(host, known):
        yield from (*driver.items, *driver.units)
    yield from lock_items(engines, settings)
    gpus = known.gpus if host.name in host.watchdogs else ()
    yield from watchdog_items(host.name, host.spec, host.plan, gpus, host.program)
    uuids = [(gpu or {}).get("uuid") or "" for gpu in known.gpus] if replicas else None
    yield from replica_items(replicas, settings, _enough(uuids, host), host.api_key)
    yield from lock_items(kinds_of(routers), settings)
    yield from _gateway(host, host.gateway, known) if host.gateway else _none(host)


def _enough(uuids: list[str] | None, host: PlannedHost) -> list[str] | None:
    """A GPU that is lost is one of no UUID: what names it differs then, and nothing breaks."""
    used = [index for replica in host.replicas for index in replica.gpus]
    missing = max(used, default=-1) + 1 - len(uuids or ())
    return None if uuids is None else [*uuids, *[""] * max(0, missing)]


def driver_plan(host: PlannedHost, known: Known) -> DriverPlan | None:
    """What the driver is to be; None where it is not ours, or nobody knows."""
    if not host.has_driver or host.server is None or known.driver is None:
        return None
    gpu, *others = host.spec.types_of(host.server)
    try:
        plan = decide(host.settings, host.server, gpu, Facts(known.driver), tuple(others))
        return locked_driver(plan, host.lock, host.name)
    except (Unknown, Unsupported):
        return None


def _none(host: PlannedHost) -> Iterator[Item]:
    """What a host had as a gateway that it is not."""
    settings = host.settings
    yield from (*no_gateway(settings), *no_other_routers((), settings), *no_failover(settings))


def _gateway(host: PlannedHost, gateway: GatewaySpec, known: Known) -> Iterator[Item]:
    settings, upstreams = host.settings, host.plan.upstreams
    addresses, failover = resolved(known.names), host.spec.failover
    routers = host.plan.routers_on(host.name)
    peers = failover.peers(gateway.name) if failover else ()
    of = {one.name: host.key_id for one in host.plan.replicas if one.answers}
    keys = host.keys._replace(of_replicas=of)
    asked = tuple(one for one in known.nameservers if is_ip(one.strip("[]")))
    nameservers = asked if overflows(upstreams) else ()
    yield from router_items(routers, upstreams, settings, addresses)
    yield from gateway_items(
        *(gateway, upstreams, settings, addresses, nameservers, keys, peers),
        *(host.watchdogs, routers),
    )
    yield from no_other_routers(routers, settings)
    if failover is None or not host.shares_address:
        yield from no_failover(settings)
    else:
        interface = interface_of(failover, gateway.name, known.interfaces) or ""
        yield from failover_items(failover, gateway, interface, settings)
