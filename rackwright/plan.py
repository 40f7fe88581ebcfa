"""The plan as values: what runs where, who serves which name, and what was not chosen."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from rackwright.models.spec import Gguf, ModelSpec
from rackwright.sizing import GpuMemory
from rackwright.spec import ServerSpec

__all__ = ["FleetPlan", "RejectedLayout", "Replica", "Speed", "Upstream"]

ExtraArgs = dict[str, str | int | float | bool | None]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Speed(_Value):
    """Predicted medians under a load of one replica: milliseconds, and tokens a second of all."""

    concurrency: int
    tpot_ms: float
    ttft_ms: float
    out_tok_s: float


class Replica(_Value):
    """One engine process on one server. ``gpus`` are indexes there; ``memory`` is of each GPU.

    ``name`` is service, server and ``index``: ``chat-gpu1-0``. ``model.source`` is pinned. A
    replica that spans servers is one of these on each: they share the name, ``node_rank`` counts
    them, and the first (rank 0) answers requests. ``node_addresses`` are all of theirs; rank 0
    listens for the others on ``master_port``. ``alone`` is the predicted speed of one request,
    ``busy`` of the whole replica under its part of the load that was planned for; None where the
    engine's is not predicted. ``between`` are those of fewer requests. ``gguf`` is the file of an
    engine that serves one.
    """

    name: str
    service: str
    server: str
    index: int
    engine: str
    model: ModelSpec
    served_model_name: str
    gpus: tuple[int, ...]
    gpu: str
    interconnect: str
    tensor_parallel_size: int
    pipeline_parallel_size: int
    expert_parallel: bool
    max_model_len: int
    address: str
    port: int
    gpu_memory_utilization: float
    max_num_seqs: int
    max_num_batched_tokens: int
    quantization: str | None
    kv_cache_dtype: str
    enforce_eager: bool
    extra_args: ExtraArgs
    memory: GpuMemory
    alone: Speed | None = None
    between: tuple[Speed, ...] = ()
    busy: Speed | None = None
    gguf: Gguf | None = None
    node_rank: int = 0
    node_addresses: tuple[str, ...] = ()
    master_port: int | None = None
    network_interface: str | None = None

    @property
    def answers(self) -> bool:
        """Whether this process takes requests: the only one, or the first of several servers."""
        return self.node_rank == 0


class RejectedLayout(_Value):
    """A layout that was considered for a service on a server, and why it was not chosen.

    ``tpot_ms`` is of one request alone, ``out_tok_s`` of all replicas under ``requests`` at once;
    None where the layout is not feasible at all, or the engine's speeds are not predicted.
    """

    service: str
    server: str
    nodes: int
    tensor_parallel_size: int
    pipeline_parallel_size: int
    expert_parallel: bool
    by_layers: bool = False
    replicas: int
    feasible: bool
    reason: str
    tpot_ms: float | None = None
    out_tok_s: float | None = None
    requests: int | None = None


class Upstream(_Value):
    """What the gateway balances over: all replicas that answer to one served name."""

    service: str
    served_model_name: str
    replicas: tuple[Replica, ...]


class FleetPlan(_Value):
    """The whole plan. ``servers`` are those planned for, whether or not they run a replica."""

    servers: dict[str, ServerSpec]
    replicas: tuple[Replica, ...]
    upstreams: tuple[Upstream, ...]
    rejected: tuple[RejectedLayout, ...]

    def on(self, server: str) -> tuple[Replica, ...]:
        """The replicas of one server, in order of port planning; none for other hosts."""
        return tuple(replica for replica in self.replicas if replica.server == server)
