"""Replicas that take several servers: ranks inside a server, pipeline stages across them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rackwright.engines import ENGINES
from rackwright.errors import Fault
from rackwright.planning.choosing import choose
from rackwright.planning.drafting import Draft, Placed, allowed_gpus, kind_for
from rackwright.spec import ServerSpec, ServiceSpec


def servers_per_replica(service: ServiceSpec, draft: Draft) -> int:
    """As many as the service says, else the fewest that can hold a replica; judged once.

    More than one only where its servers are built alike, and where none of them is enough.
    """
    if service.name not in draft.spans:
        draft.spans[service.name] = _span(service, draft)
    return draft.spans[service.name]


def _span(service: ServiceSpec, draft: Draft) -> int:
    if not ENGINES[service.engine].splits.servers:
        return 1
    if service.servers_per_replica:
        return service.servers_per_replica
    servers = [kind_for(service, draft.fleet.servers[name]) for name in service.servers]
    if len({server.hardware for server in servers}) > 1 or not _asked_alike(service, servers):
        return 1
    for count in range(1, len(servers) + 1):
        if len(servers) % count == 0:
            layouts = draft.layouts(service, servers[:count])
            if any(not layout.reason or layout.across for layout in layouts):
                return count
    return 1


def place_across(service: ServiceSpec, server: ServerSpec, draft: Draft, span: int) -> Placed:
    """This server's part of a replica that takes ``span`` servers, in the service's order."""
    position = service.servers.index(server.name)
    first = position - position % span
    names = service.servers[first : first + span]
    servers = tuple(kind_for(service, draft.fleet.servers[name]) for name in names)
    watched = {draft.fleet.settings[name].watchdog for name in names}
    if reason := _unlike(service, servers, span) or _half_watched(watched):
        draft.faults.append(Fault(f"services[{service.name}].servers[{server.name}]", reason))
        return Placed(None, servers, 0)
    layouts = draft.layouts(service, servers)
    chosen, others = choose(service, layouts)
    if server == servers[0]:
        draft.reject(service, server, others)
        if chosen is None:
            draft.nothing_fits(service, server, layouts, span)
    return Placed(chosen, servers, servers.index(server))


def _unlike(service: ServiceSpec, servers: Sequence[ServerSpec], span: int) -> str:
    """Why these servers cannot hold one replica together; empty where they can."""
    if len(servers) < span:
        return f"a replica takes {span} servers, {len(servers)} are left for this one"
    if len({server.gpus.type for server in servers}) > 1:
        kinds = ", ".join(f"{server.name} {server.gpus.type}" for server in servers)
        return f"a replica cannot span mixed GPU types ({kinds})"
    if len({server.hardware for server in servers}) > 1:
        names = ", ".join(server.name for server in servers)
        return f"a replica cannot span servers that are built differently ({names})"
    if not _asked_alike(service, servers):
        return "gpus and tensor_parallel_size must be the same on all servers of a replica"
    return ""


def _half_watched(watched: Collection[str]) -> str:
    """Ranks wait for one another's watchdogs before they start."""
    return "watchdog must be the same on all servers of a replica" if len(watched) > 1 else ""


def _asked_alike(service: ServiceSpec, servers: Sequence[ServerSpec]) -> bool:
    asked = {(allowed_gpus(service, server), service.ranks_on(server.name)) for server in servers}
    return len(asked) == 1
