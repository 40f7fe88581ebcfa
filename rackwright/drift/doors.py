"""The ports of a host that are ours, and who may listen at each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rackwright.desired import paths
from rackwright.desired.addresses import is_ip
from rackwright.desired.fleet_data import ROUTER_HOST
from rackwright.desired.watchdog import UNIT
from rackwright.drift.host import PlannedHost
from rackwright.drift.of_sockets import ANYWHERE, Door
from rackwright.plan import Replica
from rackwright.planning.beside import stand_ins
from rackwright.spec import ServerSpec

NGINX = "nginx.service"


def doors(host: PlannedHost, names: Mapping[str, Sequence[str]]) -> list[Door]:
    """Those of the plan, and those that replicas would get: one a GPU, from ``base_port`` on.

    ``names`` are the addresses of servers that are declared by a host name.
    """
    found = {port: Door(port, frozenset()) for port in _reserved(host)}
    planned = {door.port: door for door in _planned(host, names)}
    return list((found | planned).values())


def _reserved(host: PlannedHost) -> range:
    """At least as many as there are GPUs."""
    if host.server is None:
        return range(0)
    gpus = sum(len(kind.gpus.nvml_indexes) for kind in host.server.kinds)
    first = host.settings.base_port
    return range(first, first + max(gpus, len(host.replicas)))


def _planned(host: PlannedHost, names: Mapping[str, Sequence[str]]) -> Iterator[Door]:
    for replica in (*stand_ins(host.plan, host.name), *host.replicas):
        yield from _of_replica(replica, names)
    if host.server and host.name in host.watchdogs:
        at = _addresses(host.server, names)
        yield Door(host.watchdogs[host.name], frozenset({UNIT}), at)
    for router in host.plan.routers_on(host.name):
        for port in (router.port, router.metrics_port):
            yield Door(port, frozenset({paths.router_unit(router)}), frozenset({ROUTER_HOST}))
    if host.gateway:
        for port in host.gateway.public_ports:
            yield Door(port, frozenset({NGINX}))


def _of_replica(replica: Replica, names: Mapping[str, Sequence[str]]) -> Iterator[Door]:
    units = frozenset({paths.unit_name(replica)})
    if replica.answers:
        yield Door(replica.port, units, _addresses(replica.server, names))
    if replica.answers and replica.span and replica.span.master_port:
        yield Door(replica.span.master_port, units)


def _addresses(server: ServerSpec, names: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """A name that nobody knows here says nothing about where."""
    if is_ip(server.address):
        return frozenset({server.address})
    known = frozenset(names.get(server.address, ()))
    return known or ANYWHERE
