"""Routers of services that have one: on every gateway, at ports there that nothing else has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from rackwright.errors import Fault
from rackwright.plan import Replica, Router, router_name
from rackwright.planning.drafting import Draft
from rackwright.schema.ports import LAST_PORT


def routers(draft: Draft) -> Iterator[Router]:
    """Two ports for each; what leaves no room, or a name for its unit, goes to the draft."""
    services = [service for service in draft.fleet.services.values() if service.router]
    replicas = {replica.name: replica for replica in draft.replicas}
    for service in services:
        if clash := replicas.get(router_name(service)):
            rule = f"its router would be named as the replica {clash.name}, rename the service"
            draft.faults.append(Fault(f"services[{service.name}]", rule))
    for gateway in draft.fleet.gateways if services else ():
        free = _free(gateway, draft)
        for service in services:
            ports = list(islice(free, 2))
            if len(ports) < 2:
                base = draft.fleet.settings[gateway].router_base_port
                rule = f"leaves no room below {LAST_PORT} for the router of {service.name}"
                draft.faults.append(Fault(f"settings[{gateway}].router_base_port", rule, base))
                break
            port, metrics_port = ports
            yield Router(service=service, gateway=gateway, port=port, metrics_port=metrics_port)


def _free(gateway: str, draft: Draft) -> Iterator[int]:
    """Ports that nothing else of ours on the same host has."""
    on_host = [replica for replica in draft.replicas if replica.server.name == gateway]
    settings = draft.fleet.settings[gateway]
    own = (draft.fleet.gateways[gateway].port, settings.watchdog_port, settings.sideways_port)
    taken = {*own, *chain.from_iterable(map(_ports, on_host))}
    return (p for p in range(settings.router_base_port, LAST_PORT + 1) if p not in taken)


def _ports(replica: Replica) -> Sequence[int | None]:
    return (replica.port, replica.span.master_port if replica.span else None)
