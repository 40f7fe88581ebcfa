"""Rules of servers and gateways: what their hardware can be, and where they are reached."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from rackwright.errors import Fault, nearest
from rackwright.inventory.rules.declared import Declared
from rackwright.spec import FleetSpec, GatewaySpec, ServerSpec


def server_faults(server: ServerSpec, fleet: FleetSpec, declared: Declared) -> Iterator[Fault]:
    """GPU type, links and address of a server: each possible, and agreeing with the others."""
    yield from _gpu_type(server, fleet, declared)
    yield from _interconnect(server, fleet)
    yield from _gpu_groups(server)
    yield from _address(server, fleet)


def _gpu_type(server: ServerSpec, fleet: FleetSpec, declared: Declared) -> Iterator[Fault]:
    name = server.gpus.type
    if name not in fleet.gpu_types and name not in declared.gpu_types:
        rule = nearest(name, fleet.gpu_types, "GPU type")
        if "did you mean" not in rule:  # else all of them, which nobody reads
            rule = "is not a known GPU type: declare it in `gpu_types` (docs/inventory.md)"
        yield Fault(f"servers[{server.name}].gpus.type", rule, name)


def _interconnect(server: ServerSpec, fleet: FleetSpec) -> Iterator[Fault]:
    path = f"servers[{server.name}]"
    kind = fleet.gpu_types.get(server.gpus.type)
    if kind and server.interconnect not in kind.interconnects:
        can = ", ".join(sorted(kind.interconnects - {"none"}))
        rule = f"{kind.name} has {can} only" if can else f"{kind.name} comes one to a server"
        yield Fault(f"{path}.interconnect", rule, server.interconnect)
    if server.interconnect == "none" and server.gpus.count > 1:
        rule = f"must be pcie, nvlink or nvswitch for {server.gpus.count} GPUs"
        yield Fault(f"{path}.interconnect", rule, server.interconnect)


def _address(server: ServerSpec, fleet: FleetSpec) -> Iterator[Fault]:
    path = f"servers[{server.name}]"
    if _unspecified(server.address):
        yield Fault(f"{path}.address", "must be one address, not all of them", server.address)
    elif _loopback(server.address) and set(fleet.gateways) - {server.name}:
        rule = "must be reachable from the gateways, this is the server's own loopback"
        yield Fault(f"{path}.address", rule, server.address)


def _gpu_groups(server: ServerSpec) -> Iterator[Fault]:
    """Islands and NUMA nodes name GPUs that are there, each once; nodes name all of them."""
    path, count = f"servers[{server.name}]", server.gpus.count
    for key, groups in (
        ("nvlink_islands", server.nvlink_islands),
        ("numa_nodes", server.numa_nodes),
    ):
        named = sorted(index for group in groups or () for index in group)
        if groups is not None and (len(set(named)) < len(named) or set(named) - set(range(count))):
            rule = f"must name GPUs 0 to {count - 1}, each at most once"
            yield Fault(f"{path}.{key}", rule, groups)
        elif key == "numa_nodes" and groups is not None and len(named) < count:
            yield Fault(f"{path}.{key}", f"must name all {count} GPUs", groups)
    if server.nvlink_islands is not None and server.interconnect != "nvlink":
        rule = "must be left out where interconnect is not nvlink"
        yield Fault(f"{path}.nvlink_islands", rule, server.nvlink_islands)


def gateway_faults(gateway: GatewaySpec) -> Iterator[Fault]:
    """A certificate has its key."""
    if bool(gateway.certificate) != bool(gateway.certificate_key):
        missing = "certificate_key" if gateway.certificate else "certificate"
        yield Fault(f"gateways[{gateway.name}].{missing}", "is required beside its other half")


def _loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _unspecified(address: str) -> bool:
    try:
        return ip_address(address).is_unspecified
    except ValueError:
        return False
