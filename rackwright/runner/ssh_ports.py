"""Ports that SSH has on a host, and that something planned there would take."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.errors import Fault
from rackwright.plan import FleetPlan
from rackwright.planning.sideways import sideways_port_of
from rackwright.spec import FleetSpec


def ssh_port_faults(inventory: Inventory, spec: FleetSpec, plan: FleetPlan) -> Iterator[Fault]:
    """Replicas, gateways and watchdogs on the port that their host is reached by."""
    for host in inventory:
        taken = host.data.dict().get("ssh_port")
        for path, port in _planned(host, spec, plan):
            if port is not None and str(port) == str(taken):
                yield Fault(path, f"port {port} of {host.name} is taken by its ssh_port", port)


def _planned(host: Host, spec: FleetSpec, plan: FleetPlan) -> Iterator[tuple[str, int | None]]:
    if gateway := spec.gateways.get(host.name):
        yield f"gateways[{host.name}].port", gateway.port
    settings = spec.settings[host.name]
    if plan.on(host.name) and settings.watchdog == "on":
        yield f"settings[{host.name}].watchdog_port", settings.watchdog_port
    if (sideways := sideways_port_of(host.name, spec, plan)) is not None:
        yield f"settings[{host.name}].sideways_port", sideways
    for router in plan.routers_on(host.name):
        path = f"settings[{host.name}].router_base_port"
        yield from ((path, port) for port in (router.port, router.metrics_port))
    for replica in plan.on(host.name):
        ports = (replica.port, replica.span.master_port if replica.span else None)
        path = f"services[{replica.service.name}].port"
        yield from ((path, port) for port in ports if replica.answers)
