"""The plan as values: what runs where, who serves which name, and what was not chosen."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import cached_property
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from rackwright.catalog import GpuType
from rackwright.models.gguf import Gguf, Mmproj
from rackwright.models.spec import ModelSpec
from rackwright.models.tasks import Task
from rackwright.sizing import GpuMemory, Limits, Split
from rackwright.sizing.dealing import Dealt
from rackwright.spec import ServerSpec, ServiceSpec

__all__ = ["FleetPlan", "RejectedLayout", "Replica", "Router", "Span", "Speed", "Upstream"]


T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class _Value(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), defer_build=True
    )


class Speed(_Value):
    """Predicted medians under a load of one replica: milliseconds, and tokens a second of all."""

    concurrency: int
    tpot_ms: float
    ttft_ms: float
    out_tok_s: float


class Span(NamedTuple):
    """One process of a replica that takes several servers: which it is, and where all of them are.

    The one of ``rank`` 0 listens for the others on ``master_port``. ``kept_together``: watchdogs
    see to it that all start together, and end where one does.
    """

    rank: int
    addresses: tuple[str, ...]
    master_port: int | None
    kept_together: bool = True


class Replica(_Value):
    """One engine process on one server, by the values it was planned from.

    ``name`` is service, server and ``index``: ``chat-gpu1-0``. ``model.source`` is pinned, and
    ``gguf`` the file of an engine that serves one, ``mmproj`` the projector beside it. ``gpus`` are
    indexes on the server, of type ``gpu`` (the first where they are several), ``limits`` what the
    engine is told, ``dtype`` what it computes in, ``memory`` that of the fullest GPU, and ``dealt``
    what each of ``gpus`` has of an engine that deals layers. A
    replica that spans servers is one of these on each: they share the name, and the
    first (rank 0) answers requests. ``speeds`` are predicted: of one request, of some, and of the
    whole replica under its part of the load that was planned for; empty where the engine's are not.
    ``longest_prompt_s`` is what a prompt as long as its context takes alone; None likewise.
    ``task`` is what it is asked for where its model does not write; then no speed is predicted.
    """

    name: str
    service: ServiceSpec
    model: ModelSpec
    server: ServerSpec
    gpu: GpuType
    index: int
    gpus: tuple[int, ...]
    split: Split
    task: Task | None = None
    limits: Limits
    dtype: str
    memory: GpuMemory
    dealt: tuple[Dealt, ...] = ()
    speeds: tuple[Speed, ...] = ()
    longest_prompt_s: float | None = None
    port: int
    gguf: Gguf | None = None
    mmproj: Mmproj | None = None
    span: Span | None = None

    @property
    def answers(self) -> bool:
        """Whether this process takes requests: the only one, or the first of several servers."""
        return self.span is None or self.span.rank == 0

    @property
    def gguf_files(self) -> tuple[Gguf | Mmproj, ...]:
        """Each file of an engine that serves such: the parts of its model, then the projector."""
        parts: tuple[Gguf | Mmproj, ...] = self.gguf.files if self.gguf else ()
        return (*parts, self.mmproj) if self.mmproj else parts

    def memory_of(self, gpu: int) -> GpuMemory:
        """The memory of one of its GPUs, by index on the server; else of the fullest."""
        return self.dealt[self.gpus.index(gpu)].memory if self.dealt else self.memory

    @property
    def most_requests(self) -> int:
        """Requests that it runs at once: each data parallel group as many as it is told."""
        return self.limits.max_num_seqs * self.split.data

    @property
    def kept_together(self) -> bool:
        """Whether it is a rank that starts, and ends, with those on other servers."""
        return self.span is not None and self.span.kept_together

    @property
    def network_interface(self) -> str | None:
        """What joins its server to the others it spans; None where it is alone or none is named."""
        return self.server.network_interface if self.span else None

    @property
    def rdma_devices(self) -> tuple[str, ...] | None:
        """InfiniBand or RoCE devices that join its server to the others it spans.

        None where it is alone, or the engine is to choose; empty where it is to use none.
        """
        return self.server.rdma_devices if self.span else None


class RejectedLayout(_Value):
    """A layout that was considered for a service on a server, and why it was not chosen.

    ``tpot_ms`` is of one request alone, ``out_tok_s`` of all replicas under ``requests`` at once;
    None where the layout is not feasible at all, or the engine's speeds are not predicted.
    """

    service: str
    server: str
    nodes: int
    split: Split
    by_layers: bool = False
    replicas: int
    feasible: bool
    reason: str
    tpot_ms: float | None = None
    out_tok_s: float | None = None
    requests: int | None = None


class Upstream(_Value):
    """What the gateway balances over: all replicas that answer to one served name."""

    service: ServiceSpec
    replicas: tuple[Replica, ...]


class Router(_Value):
    """What chooses among a service's replicas on one gateway, which has it as its only replica.

    It listens on loopback: for requests at ``port``, for who asks for metrics at ``metrics_port``.
    """

    service: ServiceSpec
    gateway: str
    port: int
    metrics_port: int

    @property
    def kind(self) -> str:
        """A key of ``ROUTERS``."""
        assert self.service.router
        return self.service.router

    @property
    def name(self) -> str:
        """As the gateway calls it among replicas: ``router-chat``."""
        return router_name(self.service)


def router_name(service: ServiceSpec) -> str:
    """What the router of a service is called on every gateway."""
    return f"router-{service.name}"


class NameRecords(_Value):
    """What a name that clients use has to lead to, in whatever name servers they ask."""

    name: str
    addresses: tuple[str, ...]


class FleetPlan(_Value):
    """The whole plan. ``servers`` are those planned for, whether or not they run a replica, and
    ``gpus`` the type of each one's GPUs, ``other_gpus`` further types. ``records`` are what the
    names of gateways need that clients see as one. ``routers`` are those of services that have one,
    on each gateway.
    """

    servers: dict[str, ServerSpec]
    gpus: dict[str, GpuType]
    other_gpus: dict[str, tuple[GpuType, ...]] = {}
    replicas: tuple[Replica, ...]
    upstreams: tuple[Upstream, ...]
    rejected: tuple[RejectedLayout, ...]
    records: tuple[NameRecords, ...] = ()
    routers: tuple[Router, ...] = ()

    def types_of(self, server: str) -> tuple[GpuType, ...]:
        """The types of a server's GPUs, in the order of its ``kinds``."""
        return (self.gpus[server], *self.other_gpus.get(server, ()))

    def routers_on(self, gateway: str) -> tuple[Router, ...]:
        """The routers of one gateway, in the order of services; none for other hosts."""
        return tuple(router for router in self.routers if router.gateway == gateway)

    def on(self, server: str) -> tuple[Replica, ...]:
        """The replicas of one server, in order of port planning; none for other hosts."""
        return self._by_server.get(server, ())

    def named(self, name: str) -> tuple[Replica, ...]:
        """The processes of one replica: the only one, or one on each server that it spans."""
        return self._by_name.get(name, ())

    def serving(self, services: Iterable[str]) -> tuple[Replica, ...]:
        """The replicas of these services, in the order of the plan."""
        found = [place for name in set(services) for place in self._by_service.get(name, ())]
        return tuple(self.replicas[place] for place in sorted(found))

    def alike(self, server: str) -> Iterator[str]:
        """The other servers that run an engine of this one's, or serve a model of it, in order."""
        own = self._uses.get(server, frozenset())
        sharing = {other for use in own for other in self._users[use]} - {server}
        return (name for name in self.servers if name in sharing)

    # What is looked up once a host would else be a walk through the whole fleet for each of them.
    @cached_property
    def _by_server(self) -> dict[str, tuple[Replica, ...]]:
        return _grouped(self.replicas, lambda replica: replica.server.name)

    @cached_property
    def _uses(self) -> dict[str, frozenset[tuple[str, str]]]:
        """Engines and models of each server."""
        pairs = {
            name: [(("model", one.model.name), ("engine", one.service.engine)) for one in replicas]
            for name, replicas in self._by_server.items()
        }
        return {name: frozenset(use for pair in of for use in pair) for name, of in pairs.items()}

    @cached_property
    def _users(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """The same by engine and model."""
        pairs = [(use, name) for name, uses in self._uses.items() for use in uses]
        users = _grouped(pairs, lambda pair: pair[0])
        return {use: tuple(name for _, name in group) for use, group in users.items()}

    @cached_property
    def _by_name(self) -> dict[str, tuple[Replica, ...]]:
        return _grouped(self.replicas, lambda replica: replica.name)

    @cached_property
    def _by_service(self) -> dict[str, tuple[int, ...]]:
        places = range(len(self.replicas))
        return _grouped(places, lambda place: self.replicas[place].service.name)


def _grouped(values: Iterable[T], key: Callable[[T], K]) -> dict[K, tuple[T, ...]]:
    """Values by their key, in their order."""
    found: dict[K, list[T]] = {}
    for value in values:
        found.setdefault(key(value), []).append(value)
    return {name: tuple(group) for name, group in found.items()}
