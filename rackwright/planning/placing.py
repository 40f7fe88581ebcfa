"""Specs to a plan: which GPUs each replica gets, how it is split, and its port.

A service is laid out on each of its servers alone; where one is too small, a replica spans
several (``spanning``).
"""

from __future__ import annotations

from collections.abc import Sequence

from rackwright.errors import Fault, PlanError
from rackwright.plan import FleetPlan
from rackwright.planning.choosing import choose
from rackwright.planning.drafting import Draft, Placed, kind_for
from rackwright.planning.names import records
from rackwright.planning.ports import Ports, with_ports_of_first
from rackwright.planning.replicas import replicas_of, same_names, upstreams
from rackwright.planning.routers import routers
from rackwright.planning.spanning import place_across, servers_per_replica
from rackwright.spec import FleetSpec, ServerSpec, ServiceSpec


def plan(fleet: FleetSpec) -> FleetPlan:
    """Where everything declared will run. Raises PlanError with every fault at once."""
    draft = Draft(fleet)
    services = _services_on(fleet)
    for server in fleet.servers.values():
        _plan_server(server, services[server.name], draft)
    draft.faults.extend(same_names(draft.replicas))
    routed = tuple(routers(draft))
    if draft.faults:
        raise PlanError(draft.faults)
    replicas = tuple(with_ports_of_first(draft.replicas))
    return FleetPlan(
        servers=fleet.servers,
        gpus={name: fleet.gpu_of(server) for name, server in fleet.servers.items()},
        other_gpus={name: fleet.types_of(server)[1:] for name, server in fleet.servers.items()},
        replicas=replicas,
        upstreams=tuple(upstreams(fleet, replicas)),
        rejected=tuple(draft.rejected),
        records=tuple(records(fleet)),
        routers=routed,
    )


def _services_on(fleet: FleetSpec) -> dict[str, list[ServiceSpec]]:
    """The services of each server, in the inventory's order."""
    services: dict[str, list[ServiceSpec]] = {name: [] for name in fleet.servers}
    for service in fleet.services.values():
        for name in dict.fromkeys(service.servers):
            if name in services:
                services[name].append(service)
    return services


def _plan_server(server: ServerSpec, services: Sequence[ServiceSpec], draft: Draft) -> None:
    placed = {
        service.name: _place(service, kind_for(service, server), draft)
        for service in services
        if _has_gpus(service, server, services, draft.faults)
    }
    ports = _ports(services, placed, Ports(server.name, draft))
    for service in services:
        on_server = placed.get(service.name)
        if on_server and on_server.layout:
            own = ports[service.name]
            kind = kind_for(service, server)
            draft.replicas.extend(replicas_of(service, kind, draft, on_server, own))


def _ports(
    services: Sequence[ServiceSpec], placed: dict[str, Placed], ports: Ports
) -> dict[str, list[int]]:
    """Ports of each service; given ones first, so that no running number takes one of them."""
    given_first = sorted(services, key=lambda service: service.port is None)
    return {
        service.name: ports.take(service, placed[service.name].processes)
        for service in given_first
        if service.name in placed
    }


def _has_gpus(
    service: ServiceSpec, server: ServerSpec, services: Sequence[ServiceSpec], faults: list[Fault]
) -> bool:
    """Whether it is clear which GPUs the service has: all of them if it is alone."""
    if len(services) == 1 or server.name in (service.gpus or {}):
        return True
    others = ", ".join(other.name for other in services if other is not service)
    rule = f"must say which GPUs of {server.name} it uses, it shares the server with {others}"
    faults.append(Fault(f"services[{service.name}].gpus", rule))
    return False


def _place(service: ServiceSpec, server: ServerSpec, draft: Draft) -> Placed:
    """The layout of a service on a server, or its part of one that spans several."""
    span = servers_per_replica(service, draft)
    if span > 1:
        return place_across(service, server, draft, span)
    layouts = draft.layouts(service, (server,))
    chosen, others = choose(service, layouts)
    draft.reject(service, server, others)
    if chosen is None:
        draft.nothing_fits(service, server, layouts)
    return Placed(chosen, (server,), 0)
