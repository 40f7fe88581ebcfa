"""Specs to a plan: which GPUs each replica gets, how it is split, and its port.

A service is laid out on each of its servers alone; where one is too small, a replica spans
several, with tensor parallel ranks inside a server and pipeline stages across them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from rackwright import catalog
from rackwright.engines import ENGINES
from rackwright.errors import Fault, PlanError
from rackwright.models import Shape
from rackwright.models.spec import ModelSpec
from rackwright.plan import FleetPlan, RejectedLayout, Replica, Span, Upstream
from rackwright.planning.choosing import choose
from rackwright.planning.layouts import Layout, Site, consider, split_names
from rackwright.sizing import GpuMemory, Limits
from rackwright.spec import FleetSpec, ServerSpec, ServiceSpec

__all__ = ["FleetPlan", "GpuMemory", "RejectedLayout", "Replica", "Upstream", "plan"]

_LAST_PORT = 65535


@dataclass
class _Draft:
    """The plan while it is made."""

    replicas: list[Replica] = field(default_factory=list)
    rejected: list[RejectedLayout] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    judged: dict[object, list[Layout]] = field(default_factory=dict)
    spans: dict[str, int] = field(default_factory=dict)


class Placed(NamedTuple):
    """A service on one server: its layout, the servers it takes, and which of them this is."""

    layout: Layout | None
    servers: tuple[ServerSpec, ...]
    rank: int

    @property
    def processes(self) -> int:
        """Ports it needs here: one a replica, and one more where servers must find each other.

        Only the first server of a replica listens.
        """
        if self.layout is None or self.rank:
            return 0
        return len(self.layout.groups) * (2 if len(self.servers) > 1 else 1)


def plan(fleet: FleetSpec) -> FleetPlan:
    """Where everything declared will run. Raises PlanError with every fault at once."""
    draft = _Draft()
    for server in fleet.servers.values():
        _plan_server(server, fleet, draft)
    draft.faults.extend(_same_names(draft.replicas))
    if draft.faults:
        raise PlanError(draft.faults)
    replicas = tuple(_with_ports(draft.replicas))
    return FleetPlan(
        servers=fleet.servers,
        replicas=replicas,
        upstreams=tuple(_upstreams(fleet, replicas)),
        rejected=tuple(draft.rejected),
    )


def _layouts(
    service: ServiceSpec, servers: tuple[ServerSpec, ...], fleet: FleetSpec, draft: _Draft
) -> list[Layout]:
    """Every layout of a service on these servers; servers built alike are judged once."""
    server = servers[0]
    gpus = _allowed(service, server)
    ranks = service.ranks_on(server.name)
    key = (service.name, server.hardware, gpus, ranks, len(servers))
    if key not in draft.judged:
        gpu = catalog.gpu_types()[server.gpus.type]
        shape = shape_of(service, fleet.models[service.model])
        limits = limits_of(service, gpu)
        draft.judged[key] = consider(service, shape, Site(servers, gpu, gpus), limits)
    return draft.judged[key]


def _allowed(service: ServiceSpec, server: ServerSpec) -> tuple[int, ...]:
    named = (service.gpus or {}).get(server.name)
    return tuple(sorted(named)) if named else tuple(range(server.gpus.count))


def shape_of(service: ServiceSpec, model: ModelSpec) -> Shape:
    """The model as the service's engine loads it."""
    gguf = service.gguf_of(model)
    if ENGINES[service.engine].serves_gguf and gguf:
        return _of_file(model.shape, gguf.size_bytes)
    return service.shape_of(model)


@lru_cache(maxsize=1024)
def _of_file(shape: Shape, size_bytes: int) -> Shape:
    return shape.of_file(size_bytes)


def limits_of(service: ServiceSpec, gpu: catalog.GpuType) -> Limits:
    """What the engine is told on such a GPU: the service's own figures, else the engine's."""
    engine = ENGINES[service.engine]
    sequences, tokens = engine.batch_limits(gpu)
    sequences = service.max_num_seqs or sequences
    limits = Limits(
        service.gpu_memory_utilization,
        sequences,
        max(service.max_num_batched_tokens or tokens, sequences),  # a token for each sequence
        service.max_model_len,
        service.kv_cache_dtype,
        service.enforce_eager,
    )
    if "gpu_memory_utilization" in service.model_fields_set:
        return limits
    return limits._replace(gpu_memory_utilization=engine.memory_share(gpu.memory_bytes, limits))


def _plan_server(server: ServerSpec, fleet: FleetSpec, draft: _Draft) -> None:
    services = [each for each in fleet.services.values() if server.name in each.servers]
    ports = _Ports(server.name, fleet, draft.faults)
    placed: dict[str, Placed] = {}
    for service in services:
        if _has_gpus(service, server, services, draft.faults):
            placed[service.name] = _place(service, server, fleet, draft)
    numbers: dict[str, list[int]] = {}
    # Given ports first, so that no running number takes one of them.
    for service in sorted(services, key=lambda each: each.port is None):
        found = placed.get(service.name)
        numbers[service.name] = ports.take(service, found.processes) if found else []
    for service in services:
        if (found := placed.get(service.name)) and found.layout:
            draft.replicas.extend(_replicas(service, server, fleet, found, numbers[service.name]))


def _has_gpus(
    service: ServiceSpec, server: ServerSpec, services: list[ServiceSpec], faults: list[Fault]
) -> bool:
    """Whether it is clear which GPUs the service has: all of them if it is alone."""
    if len(services) == 1 or server.name in (service.gpus or {}):
        return True
    others = ", ".join(each.name for each in services if each is not service)
    rule = f"must say which GPUs of {server.name} it uses, it shares the server with {others}"
    faults.append(Fault(f"services[{service.name}].gpus", rule))
    return False


def _place(service: ServiceSpec, server: ServerSpec, fleet: FleetSpec, draft: _Draft) -> Placed:
    """The layout of a service on a server, or its part of one that spans several."""
    if service.name not in draft.spans:
        draft.spans[service.name] = _span(service, fleet, draft)
    span = draft.spans[service.name]
    if span > 1:
        return _place_across(service, server, fleet, draft, span)
    layouts = _layouts(service, (server,), fleet, draft)
    chosen, others = choose(service, layouts)
    draft.rejected.extend(_rejected(service, server, layout) for layout in others)
    if chosen is None:
        draft.faults.append(_nothing_fits(service, server, layouts))
    return Placed(chosen, (server,), 0)


def _span(service: ServiceSpec, fleet: FleetSpec, draft: _Draft) -> int:
    """Servers of one replica: as many as the service says, else the fewest that can hold it.

    More than one only where its servers are built alike, and where none of them is enough.
    """
    if service.servers_per_replica:
        return service.servers_per_replica
    if not ENGINES[service.engine].spans_servers:
        return 1
    servers = [fleet.servers[name] for name in service.servers]
    if len({server.hardware for server in servers}) > 1 or not _asked_alike(service, servers):
        return 1
    for count in range(1, len(servers) + 1):
        if len(servers) % count == 0:
            layouts = _layouts(service, tuple(servers[:count]), fleet, draft)
            if any(not layout.reason or layout.across for layout in layouts):
                return count
    return 1


def _place_across(
    service: ServiceSpec, server: ServerSpec, fleet: FleetSpec, draft: _Draft, span: int
) -> Placed:
    """This server's part of a replica that takes ``span`` servers, in the service's order."""
    position = service.servers.index(server.name)
    first = position - position % span
    servers = tuple(fleet.servers[name] for name in service.servers[first : first + span])
    path = f"services[{service.name}].servers[{server.name}]"
    if reason := _unlike(service, servers, span):
        draft.faults.append(Fault(path, reason))
        return Placed(None, servers, 0)
    layouts = _layouts(service, servers, fleet, draft)
    chosen, others = choose(service, layouts)
    if server is servers[0]:
        draft.rejected.extend(_rejected(service, server, layout) for layout in others)
        if chosen is None:
            draft.faults.append(_nothing_fits(service, server, layouts, span))
    return Placed(chosen, servers, servers.index(server))


def _unlike(service: ServiceSpec, servers: tuple[ServerSpec, ...], span: int) -> str:
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


def _asked_alike(service: ServiceSpec, servers: Sequence[ServerSpec]) -> bool:
    each = {(_allowed(service, server), service.ranks_on(server.name)) for server in servers}
    return len(each) == 1


def _nothing_fits(
    service: ServiceSpec, server: ServerSpec, layouts: list[Layout], span: int = 1
) -> Fault:
    """The fault where no layout is feasible: every reason, and what would be accepted."""
    same: dict[str, list[Layout]] = {}
    for layout in layouts:
        same.setdefault(layout.reason, []).append(layout)
    reasons = "; ".join(f"{split_names(found)}: {reason}" for reason, found in same.items())
    each = f"{span} servers of " if span > 1 else ""
    rule = (
        f"no layout of {service.model} fits {each}{len(_allowed(service, server))} x "
        f"{server.gpus.type} ({server.interconnect}): {reasons}"
    )
    return Fault(f"services[{service.name}].servers[{server.name}]", rule)


def _rejected(service: ServiceSpec, server: ServerSpec, layout: Layout) -> RejectedLayout:
    return RejectedLayout(
        service=service.name,
        server=server.name,
        nodes=layout.nodes,
        split=layout.split,
        by_layers=layout.by_layers,
        replicas=len(layout.groups),
        feasible=layout.feasible,
        reason=layout.reason,
        tpot_ms=layout.alone.tpot_ms if layout.alone and layout.feasible else None,
        out_tok_s=layout.out_tok_s if layout.alone and layout.feasible else None,
        requests=layout.requests if layout.alone and layout.feasible else None,
    )


def _replicas(
    service: ServiceSpec, server: ServerSpec, fleet: FleetSpec, placed: Placed, ports: list[int]
) -> Iterator[Replica]:
    layout, gpu = placed.layout, catalog.gpu_types()[server.gpus.type]
    assert layout and layout.memory  # chosen, so sized
    serves_gguf = ENGINES[service.engine].serves_gguf
    limits = limits_of(service, gpu)
    first, several = placed.servers[0], len(placed.servers) > 1
    for index, gpus in enumerate(layout.groups):
        yield Replica(
            name=f"{service.name}-{first.name.removeprefix('@')}-{index}",
            service=service,
            model=_pinned(service, fleet.models[service.model]),
            server=server,
            index=index,
            gpus=gpus,
            split=layout.split,
            limits=limits,
            memory=layout.memory,
            speeds=layout.speeds,
            port=ports[index] if ports else 0,
            gguf=service.gguf_of(fleet.models[service.model]) if serves_gguf else None,
            span=_span_of(placed, ports[len(layout.groups) + index] if several and ports else None),
        )


def _span_of(placed: Placed, master_port: int | None) -> Span | None:
    if len(placed.servers) == 1:
        return None
    return Span(placed.rank, tuple(each.address for each in placed.servers), master_port)


def _with_ports(replicas: Sequence[Replica]) -> Iterator[Replica]:
    """The later servers of a replica go by the ports of its first."""
    first = {replica.name: replica for replica in replicas if replica.answers}
    for replica in replicas:
        own = first[replica.name]
        if replica.span and own.span and not replica.answers:
            span = replica.span._replace(master_port=own.span.master_port)
            yield replica.model_copy(update={"port": own.port, "span": span})
        else:
            yield replica


def _pinned(service: ServiceSpec, model: ModelSpec) -> ModelSpec:
    return model.model_copy(update={"source": service.source_of(model)})


class _Ports:
    """Ports of one server: those services name, then running numbers from ``base_port``."""

    def __init__(self, server: str, fleet: FleetSpec, faults: list[Fault]) -> None:
        self._server = server
        self._base = fleet.settings[server].base_port
        self._faults = faults
        gateway = fleet.gateways.get(server)
        self._taken = {gateway.port: "the gateway"} if gateway else {}

    def take(self, service: ServiceSpec, count: int) -> list[int]:
        """``count`` ports: consecutive from the service's own, or the next that are free."""
        if service.port is None:
            free = (port for port in range(self._base, _LAST_PORT + 1) if port not in self._taken)
            ports = [port for port, _ in zip(free, range(count), strict=False)]
        else:
            ports = list(range(service.port, service.port + count))
        self._note(service, ports, count)
        return ports

    def _note(self, service: ServiceSpec, ports: list[int], count: int) -> None:
        path = f"services[{service.name}].port"
        if len(ports) < count or any(port > _LAST_PORT for port in ports):
            rule = f"leaves no room below {_LAST_PORT} for {count} replicas on {self._server}"
            self._faults.append(Fault(path, rule, service.port))
            ports.extend([_LAST_PORT] * (count - len(ports)))
        for port in ports:
            if owner := self._taken.get(port):
                rule = f"port {port} of {self._server} is taken by {owner}"
                self._faults.append(Fault(path, rule, service.port))
            self._taken[port] = service.name


def _same_names(replicas: list[Replica]) -> Iterator[Fault]:
    seen: dict[str, Replica] = {}
    for replica in replicas:
        first = seen.get(replica.name)
        if first and replica.answers:
            rule = (
                f"its replica on {replica.server.name} and that of {first.service.name} on "
                f"{first.server.name} "
                f"would both be named {replica.name}, rename one"
            )
            yield Fault(f"services[{replica.service.name}]", rule)
        seen[replica.name] = replica


def _upstreams(fleet: FleetSpec, replicas: Sequence[Replica]) -> Iterator[Upstream]:
    for service in fleet.services.values():
        own = (each for each in replicas if each.service is service and each.answers)
        ordered = sorted(
            own, key=lambda each: (service.servers.index(each.server.name), each.index)
        )
        yield Upstream(
            service=service,
            replicas=tuple(ordered),
        )
