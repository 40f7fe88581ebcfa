"""What checks need to know of what is planned: one value for each kind of thing they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Protocol

from rackwright.checks.observed import Observation, of_declared, part_of

if TYPE_CHECKING:
    from rackwright.catalog import GpuType
    from rackwright.models.projection import TokenVectors
    from rackwright.models.tasks import Task
    from rackwright.plan import Speed
    from rackwright.planning.firewall import Firewall


class Planned(Protocol):
    """Anything that checks are about. ``KIND`` is its word in the documentation."""

    KIND: ClassVar[str]

    @property
    def name(self) -> str:
        """What its results are about."""

    @property
    def host(self) -> str:
        """Where it is observed."""

    def part_of(self, seen: Observation) -> Observation:
        """What of its host's observation is about this; empty where nothing is."""


class Predicted(NamedTuple):
    """What the plan predicts of a replica: tokens of KV cache, and speeds; see ``plan.Replica``.

    ``speeds`` are those of one request, of some, and of as many as were planned for.
    """

    kv_cache_tokens: int
    speeds: tuple[Speed, ...]

    @property
    def alone(self) -> Speed:
        """Of one request."""
        return self.speeds[0]

    @property
    def busy(self) -> Speed:
        """Of as many requests at once as were planned for."""
        return self.speeds[-1]

    def under(self, requests: float) -> Speed:
        """Of so many requests, or the next more that were predicted."""
        enough = (speed for speed in self.speeds if speed.concurrency >= requests)
        return next(enough, self.busy)


@dataclass(frozen=True)
class PlannedReplica:
    """What the checks need to know of a planned replica. ``max_model_len`` is in tokens.

    A process that does not answer requests itself is a later server of a replica on several.
    ``engine`` is a key of ``ENGINES``; ``asked``: it says what it holds, which is to be
    ``digest`` of weights in so many ``slots``, on GPUs where its build ``uses_gpus``.
    ``version`` and ``figures`` (of the metrics) are what the engine tells of itself: None and
    empty for one that does not. ``predicted`` is None for an engine built for CPUs, of which
    nothing was. ``gpus`` are indexes; ``burst`` says that requests were sent to load them.
    ``task`` is what it is asked for where its model does not write, ``vectors`` what comes back of
    one that makes them of tokens; ``keeps_tokens`` says that it has a KV cache.
    """

    KIND: ClassVar[str] = "replica"

    name: str
    host: str
    unit: str
    port: int
    served_model_name: str
    max_model_len: int
    engine: str
    answers: bool = True
    asked: bool = False
    uses_gpus: bool = True
    slots: int | None = None
    digest: str | None = None
    version: str | None = None
    figures: tuple[str, ...] = ()
    task: Task | None = None
    vectors: TokenVectors | None = None
    keeps_tokens: bool = True
    predicted: Predicted | None = None
    gpus: tuple[int, ...] = ()
    tensor_parallel_size: int = 1
    burst: bool = False

    def part_of(self, seen: Observation) -> Observation:
        """What was answered of this replica."""
        return part_of(seen, "replicas", self.name)


class Tenant(NamedTuple):
    """A replica's unit on a GPU, by index, with the memory planned for it.

    ``most_bytes`` is of the fullest GPU of the replica, or of this one where that is known;
    ``even`` says that all hold as much, and all of it. Its
    kernels may take ``margin_bytes`` more, which nobody measured.
    """

    gpu: int
    unit: str
    most_bytes: int = 0
    even: bool = True
    margin_bytes: int = 0


class GpuSettings(NamedTuple):
    """What is declared of a GPU beside its type; None where nothing is.

    The PCIe link is what its slot gives.
    """

    power_limit_w: int | None = None
    ecc: bool | None = None
    mig: bool = False
    pcie_lanes: int | None = None
    pcie_generation: int | None = None


class PlannedKind(NamedTuple):
    """GPUs of one type in a server, by NVML's index, and what joins them."""

    gpu: GpuType
    indexes: tuple[int, ...]
    interconnect: str
    islands: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class PlannedServer:
    """What the checks need to know of a GPU server as declared; ``islands`` are GPU indexes.

    ``indexes`` are those of its ``gpus`` of type ``gpu`` where they are named, and ``others`` are
    GPUs of further types; then what is not named is nobody's concern. None: GPUs 0 to gpus - 1, and
    no others are expected.

    ``runs_fabric_manager`` says that its NVSwitch is its own, and so nvidia-fabricmanager has to
    run on it; a guest's runs on its host. ``tenants`` are the replicas planned on its GPUs;
    ``engines_use_gpus`` is false for an engine built for CPUs. ``driver_version`` is a pin, in full
    or its first parts (``580``).

    ``gpu`` and those of ``others`` have the memory and the PCIe link that were planned with;
    ``gpu_settings`` are by index.
    """

    KIND: ClassVar[str] = "server"

    host: str
    gpu: GpuType
    gpus: int
    interconnect: str
    islands: tuple[tuple[int, ...], ...]
    tenants: tuple[Tenant, ...] = ()
    engines_use_gpus: bool = True
    driver_version: str | None = None
    runs_fabric_manager: bool = False
    indexes: tuple[int, ...] | None = None
    others: tuple[PlannedKind, ...] = ()
    gpu_settings: Mapping[int, GpuSettings] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[PlannedKind, ...]:
        """Its GPUs by type, those of ``gpu`` first."""
        own = tuple(range(self.gpus)) if self.indexes is None else self.indexes
        return (PlannedKind(self.gpu, own, self.interconnect, self.islands), *self.others)

    @property
    def declared(self) -> dict[int, GpuType]:
        """The type of each GPU that is declared, by index."""
        return {index: kind.gpu for kind in self.kinds for index in kind.indexes}

    @property
    def names_all(self) -> bool:
        """Whether no GPU may be there that is not declared."""
        return self.indexes is None and not self.others

    def settings_of(self, gpu: int) -> GpuSettings:
        """What is declared of a GPU, by index."""
        return self.gpu_settings.get(gpu, GpuSettings())

    @property
    def name(self) -> str:
        """What its results are about: the server itself."""
        return self.host

    def part_of(self, seen: Observation) -> Observation:
        """What the probe saw of it, of GPUs that are not declared only what they are; and whether
        it is in quarantine.
        """
        probe = of_declared(part_of(seen, "probe"), self.declared)
        return {**probe, "quarantine": seen["quarantine"]} if "quarantine" in seen else probe


class Folder(NamedTuple):
    """What lies where on a host, and the room that its next version will need beside it."""

    path: str
    what: str
    next_bytes: int


@dataclass(frozen=True)
class PlannedHost:
    """What the checks need to know of any host. ``firewall`` is None where that is not ours.

    ``watched`` are the replicas that its watchdog answers for; None where it is to have none.
    """

    KIND: ClassVar[str] = "host"

    host: str
    folders: tuple[Folder, ...]
    firewall: Firewall | None = None
    watched: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """What its results are about: the host itself."""
        return self.host

    def part_of(self, seen: Observation) -> Observation:
        """All of it."""
        return seen


class PlannedRouter(NamedTuple):
    """What chooses among the ``replicas`` (so many) of a service; ``kind`` is a key of ROUTERS."""

    kind: str
    unit: str
    replicas: int


@dataclass(frozen=True)
class PlannedService:
    """What the checks need to know of a service behind a gateway; ``host`` is the gateway.

    ``addresses`` (``192.0.2.11:8000``) are those of ``replicas``, one each; by name where they are
    declared so. A worker must hold so many ``connections``. ``renewer`` is who renews the gateway's
    certificate: the operator (``files``), a CA by certbot (``acme``), the deploy (``self``).
    ``task`` is what its model is asked for, where that does not write, ``vectors`` as of a replica.
    ``lacks_key``: it asks for keys, and those who check were given none. Where it has a ``router``
    that is its only replica there.
    """

    KIND: ClassVar[str] = "service"

    name: str
    host: str
    server_name: str
    served_model_name: str
    replicas: tuple[str, ...]
    engine: str
    addresses: tuple[str, ...] = ()
    connections: int = 0
    renewer: Literal["files", "acme", "self"] = "self"
    lacks_key: bool = False
    task: Task | None = None
    vectors: TokenVectors | None = None
    router: PlannedRouter | None = None

    def part_of(self, seen: Observation) -> Observation:
        """What the gateway answered: for each of its services all of it."""
        return part_of(seen, "gateway")


@dataclass(frozen=True)
class PlannedRank:
    """One rank of a replica over several ``servers``, in the order of ranks.

    They are planned to be joined by ``gbit_per_s``; ``rdma_devices`` as declared (see
    ``ServerSpec``). ``kept_together``: watchdogs start, and end, all ranks with one another.
    """

    KIND: ClassVar[str] = "rank of a replica over several servers"

    name: str
    host: str
    unit: str
    rank: int
    servers: tuple[str, ...]
    gbit_per_s: float
    rdma_devices: tuple[str, ...] | None = None
    kept_together: bool = True

    def part_of(self, seen: Observation) -> Observation:
        """What was observed of it, and of the server's network."""
        own = part_of(seen, "replicas", self.name, "rank")
        return {"rank": own, "network": part_of(seen, "network")}

    def beside(self, observed: Mapping[str, Observation]) -> Observation:
        """The same of the other ranks, by their servers; empty of those that were not asked."""
        others = (name for name in self.servers if name != self.host)
        return {"others": {name: self.part_of(part_of(observed, name)) for name in others}}


@dataclass(frozen=True)
class PlannedGateway:
    """What the checks need to know of one of the ``gateways`` that clients see as one.

    ``addresses`` are those that one of them holds for all, by keepalived as ``unit``; none and ""
    where DNS names each. ``records`` are the addresses that their names must lead to.
    """

    KIND: ClassVar[str] = "gateway"

    host: str
    gateways: tuple[str, ...]
    unit: str = ""
    addresses: tuple[str, ...] = ()
    records: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What its results are about: the gateway itself."""
        return self.host

    def part_of(self, seen: Observation) -> Observation:
        """What the gateway told of itself as one of several."""
        return part_of(seen, "failover")

    def beside(self, observed: Mapping[str, Observation]) -> Observation:
        """Which of the shared addresses each of the gateways has."""
        return {"held": self.held(observed)}

    def held(self, observed: Mapping[str, Observation]) -> dict[str, list[str] | None]:
        """The shared addresses on each of the gateways; None of one that was not asked."""
        own = {name: part_of(observed, name, "failover").get("addresses") for name in self.gateways}
        return {
            name: None
            if not isinstance(seen, list)
            else [one for one in self.addresses if one in (part_of(s).get("address") for s in seen)]
            for name, seen in own.items()
        }
