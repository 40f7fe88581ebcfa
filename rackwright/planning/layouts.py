"""The ways one service can be laid out on GPUs, each judged: feasible, or the reason why not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rackwright.catalog import GpuType, Link, link, network
from rackwright.engines import ENGINES
from rackwright.models import Shape
from rackwright.plan import Speed
from rackwright.planning.loads import speeds
from rackwright.planning.speed import Machine, Wires
from rackwright.planning.topology import Island, Topology, declared, within
from rackwright.sizing import GIB, GpuMemory, Limits, Split, padded_vocab
from rackwright.spec import ServerSpec, ServiceSpec, Target


class Site(NamedTuple):
    """Where a service is to run: its servers, their kind of GPU, and the indexes it may use.

    Several servers make one site when a replica spans them: all have the same GPUs.
    """

    servers: tuple[ServerSpec, ...]
    gpu: GpuType
    gpus: tuple[int, ...]

    @property
    def server(self) -> ServerSpec:
        """The first server, where a replica that spans several has its address."""
        return self.servers[0]


@dataclass(frozen=True)
class Layout:
    """A split and the GPUs of each replica on each of its servers.

    ``reason`` says why not; empty when feasible. ``across`` marks the one reason an operator may
    overrule: a group that talks over something slow. ``by_layers``: the stages are GPUs that layers
    are dealt over. ``alone`` is the speed of a single request,
    ``busy`` of one replica under its part of the load that it is judged by (``loads``), which gives
    work to ``asked`` of them, and ``between`` are those of fewer requests.
    """

    split: Split
    groups: tuple[Island, ...] = ()
    nodes: int = 1
    memory: GpuMemory | None = None
    alone: Speed | None = None
    between: tuple[Speed, ...] = ()
    busy: Speed | None = None
    asked: int = 0
    reason: str = ""
    across: bool = False
    by_layers: bool = False

    @property
    def feasible(self) -> bool:
        """Whether it would run: it was rejected for nothing, or only for being slow."""
        sized = self.alone is not None or self.memory is not None
        return sized and (not self.reason or self.reason.startswith("fits"))

    @property
    def speeds(self) -> tuple[Speed, ...]:
        """Of one request, of some, and of its part of the load; empty where none is predicted."""
        return (self.alone, *self.between, self.busy) if self.alone and self.busy else ()

    @property
    def out_tok_s(self) -> float:
        """Tokens a second of all replicas under the load that they are judged by."""
        return self.busy.out_tok_s * self.asked if self.busy else 0.0

    @property
    def requests(self) -> int:
        """That load: requests at once, of all replicas together."""
        return self.busy.concurrency * self.asked if self.busy else 0


def consider(service: ServiceSpec, shape: Shape, site: Site, limits: Limits) -> list[Layout]:
    """Every split that the GPUs allow (or the one the operator gave), judged."""
    spot = _spot(site.server, site.gpu, site.gpus, len(site.servers) > 1)
    if ENGINES[service.engine].splits_layers:
        return [
            _judge_layers(gpus, service, shape, site, limits, spot)
            for gpus in _given(service.pipeline_parallel_size) or range(1, len(site.gpus) + 1)
        ]
    judged = {
        split: _judge(split, service, shape, site, limits, spot)
        for split in _splits(service, shape, site)
    }
    return [layout for layout in judged.values() if not _repeats(layout, judged)]


def _repeats(layout: Layout, judged: dict[Split, Layout]) -> bool:
    """Whether whole experts a rank fail just as shared ones do: nobody need read that twice."""
    twin = judged.get(layout.split._replace(expert_parallel=False))
    return twin not in (None, layout) and not (layout.feasible or twin.feasible)


def _splits(service: ServiceSpec, shape: Shape, site: Site) -> Iterator[Split]:
    """Sizes to consider. A size that does not divide the model is named once, without stages."""
    gpus, nodes = len(site.gpus), len(site.servers)
    sizes = _given(service.ranks_on(site.server.name)) or range(1, gpus + 1)
    experts = [False, True] if shape.experts else [False]
    if service.expert_parallel is not None:
        experts = [service.expert_parallel]
    for tensor in sizes:
        whole = not indivisible(Split(tensor), shape)
        most = max(1, gpus // tensor) if whole else 1
        stages = _given(service.pipeline_parallel_size) or [
            each * nodes for each in range(1, most + 1)
        ]
        for pipeline in stages:
            for expert_parallel in experts if tensor > 1 else [False]:
                yield Split(tensor, pipeline, expert_parallel)


def _given(size: int | None) -> list[int]:
    return [size] if size else []


class _Spot(NamedTuple):
    topology: Topology
    inside: Link | None
    beside: Link | None
    between: Link | None


def _spot(server: ServerSpec, gpu: GpuType, gpus: tuple[int, ...], several: bool) -> _Spot:
    """The islands of a site, and its links: inside an island, beside it, and between servers."""
    known = declared(server, gpu)
    topology = Topology(tuple(within(known.islands, gpus)), tuple(within(known.numa_nodes, gpus)))
    own = link(server.interconnect, gpu) if server.interconnect != "none" else None
    beside = link("pcie", gpu) if "pcie" in gpu.interconnects else own
    return _Spot(topology, own, beside, network(server.network_gbit_per_s) if several else None)


def _judge_layers(
    gpus: int, service: ServiceSpec, shape: Shape, site: Site, limits: Limits, spot: _Spot
) -> Layout:
    """Layers dealt over so many GPUs: they take turns, so more than needed make nothing faster."""
    split, engine = Split(1, gpus), ENGINES[service.engine]
    if gpus > len(shape.layers):
        reason = f"{len(shape.layers)} layers are too few for {gpus} GPUs"
        return Layout(split, reason=reason, by_layers=True)
    if gpus > len(site.gpus):
        reason = f"needs {gpus} GPUs, {len(site.gpus)} may be used"
        return Layout(split, reason=reason, by_layers=True)
    memory = engine.memory(shape, split, site.gpu.memory_bytes, limits)
    groups = _groups(1, gpus, site, spot.topology)[0][: service.replicas]
    reason = (
        too_small(memory, limits)
        or _too_few_slots(memory, limits)
        or _too_few(service, shape, split, site, limits, memory, groups)
    )
    return Layout(split, groups, memory=memory, asked=len(groups), reason=reason, by_layers=True)


def _too_few_slots(memory: GpuMemory, limits: Limits) -> str:
    """An engine that gives every slot its whole context at the start has all of them or none."""
    if memory.sequences >= limits.max_num_seqs:
        return ""
    return (
        f"{_gib(memory.kv_cache_bytes)} GiB a GPU are left for the KV cache, enough for "
        f"{memory.sequences} of {limits.max_num_seqs} slots of {limits.max_model_len:,} tokens "
        "(max_num_seqs, kv_cache_dtype)"
    )


def _judge(
    split: Split, service: ServiceSpec, shape: Shape, site: Site, limits: Limits, spot: _Spot
) -> Layout:
    nodes = len(site.servers)
    needed = split.gpus // nodes
    if reason := indivisible(split, shape):
        return Layout(split, nodes=nodes, reason=reason)
    if split.gpus % nodes:
        rule = f"{split.gpus} GPUs do not divide over {nodes} servers"
        return Layout(split, nodes=nodes, reason=rule)
    if needed > len(site.gpus):
        reason = f"needs {needed} GPUs a server, {len(site.gpus)} may be used"
        return Layout(split, nodes=nodes, reason=reason)
    engine = ENGINES[service.engine]
    memory = engine.memory(shape, split, site.gpu.memory_bytes, limits)
    if split.pipeline % nodes:  # ranks of one group on several servers: only if asked for
        groups, crossing = _groups(needed, 1, site, spot.topology)[0], "network"
    else:
        groups, crossing = _groups(split.tensor, split.pipeline // nodes, site, spot.topology)
    groups = groups[: service.replicas]
    reason = too_small(memory, limits) or _too_few(
        service, shape, split, site, limits, memory, groups
    )
    found = None
    if engine.predicts:
        machine = Machine(
            site.gpu,
            _wires(split, groups, spot, crossing),
            limits.kv_cache_dtype,
            limits.max_num_batched_tokens,
        )
        found = speeds(shape, split, machine, service, limits, len(groups))
        reason = reason or _too_slow(service, found.busy)
    across = bool(crossing) and not reason and not service.ranks_on(site.server.name)
    if across:
        reason = _crossing(split, spot.topology, crossing, found.alone if found else None)
    timed = found._asdict() if found else {"asked": len(groups)}
    return Layout(split, groups, nodes, memory, **timed, reason=reason, across=across)


def indivisible(split: Split, shape: Shape) -> str:
    """Why the model cannot be split so at all; empty where it can."""
    ranks = split.tensor
    heads, kv_heads = shape.heads, shape.kv_heads
    if heads % ranks or (kv_heads % ranks and ranks % kv_heads):
        kept = "" if shape.layers[0].kv.latent else f" and {kv_heads} KV"
        return f"{heads} attention{kept} heads do not divide that way"
    vocabulary = padded_vocab(shape)
    if vocabulary % ranks:
        return f"a vocabulary of {vocabulary} (padded) does not divide that way"
    widths = dict(shape.widths)
    if shape.experts and split.expert_parallel and shape.experts.count % ranks:
        return f"{shape.experts.count} experts do not divide that way"
    if shape.experts and not split.expert_parallel:
        widths["expert width"] = shape.experts.width
    for name, width in widths.items():
        if width % ranks:
            return f"{name} {width} does not divide that way"
        block = shape.quantization.block if shape.quantization else 1
        if ranks > 1 and width // ranks % block:
            return (
                f"{name} {width} divided by {ranks} is no multiple of the quantization's "
                f"blocks of {block}"
            )
    if split.pipeline > len(shape.layers):
        return f"{len(shape.layers)} layers are too few for {split.pipeline} stages"
    return ""


def too_small(memory: GpuMemory, limits: Limits) -> str:
    """Why a GPU is too small for its part of a replica; empty where it is not."""
    if memory.kv_cache_bytes < 0:
        return (
            f"{_gib(memory.usable_bytes)} GiB a GPU are usable, weights need "
            f"{_gib(memory.weights_bytes)}, activations and overhead "
            f"{_gib(memory.peak_activation_bytes + memory.overhead_bytes)}: "
            f"{_gib(-memory.kv_cache_bytes)} GiB too few"
        )
    if memory.sequences < 1:
        return (
            f"{_gib(memory.kv_cache_bytes)} GiB a GPU are left for the KV cache, "
            f"{memory.kv_cache_tokens:,} tokens, fewer than one sequence of "
            f"{limits.max_model_len:,}"
        )
    if memory.free_bytes < 0:
        return (
            f"gpu_memory_utilization {limits.gpu_memory_utilization} leaves "
            f"{_gib(memory.total_bytes - memory.usable_bytes)} GiB a GPU, CUDA graphs and "
            f"context need {_gib(memory.outside_bytes)}"
        )
    return ""


def _too_few(
    service: ServiceSpec,
    shape: Shape,
    split: Split,
    site: Site,
    limits: Limits,
    memory: GpuMemory,
    groups: Sequence[Island],
) -> str:
    if service.replicas and len(groups) < service.replicas:
        return f"room for {len(groups)} of the {service.replicas} replicas asked for"
    wanted, tokens, each = service.concurrency, limits.max_model_len, memory.sequences
    if isinstance(service.objective, Target):
        wanted, tokens = service.objective.sequences, service.objective.tokens
        asked = limits._replace(max_model_len=tokens)
        memory = ENGINES[service.engine].memory(shape, split, site.gpu.memory_bytes, asked)
        each = memory.sequences
    if wanted and each * len(groups) < wanted:
        return f"KV cache for {each * len(groups)} sequences of {tokens:,}, {wanted} are wanted"
    return ""


def _too_slow(service: ServiceSpec, busy: Speed) -> str:
    goal = service.objective
    if isinstance(goal, Target) and busy.tpot_ms > goal.tpot_ms:
        return (
            f"{busy.tpot_ms:.1f} ms a token with {goal.sequences} sequences of {goal.tokens:,}, "
            f"{goal.tpot_ms:g} are wanted"
        )
    return ""


def _groups(
    tensor: int, stages: int, site: Site, topology: Topology
) -> tuple[tuple[Island, ...], str]:
    """GPUs of each replica on a server, and what its tensor parallel groups cross ("" nothing)."""
    for candidates, crossing in (
        (topology.islands, ""),
        (topology.numa_nodes, "pcie"),
        ((site.gpus,), "pcie" if len(topology.numa_nodes) == 1 else "numa"),
    ):
        if groups := _replica_groups(tensor, stages, candidates):
            return groups, crossing
    return (), "pcie"


def _replica_groups(tensor: int, stages: int, candidates: Sequence[Island]) -> tuple[Island, ...]:
    """Tensor parallel groups inside the candidates, one for each stage of a replica."""
    inside = [group for island in candidates for group in _chunks(island, tensor)]
    staged = [inside[i : i + stages] for i in _starts(inside, stages)]
    return tuple(tuple(gpu for group in groups for gpu in group) for groups in staged)


def _chunks(island: Island, size: int) -> list[Island]:
    return [island[i : i + size] for i in _starts(island, size)]


def _starts(items: Sequence[object], size: int) -> range:
    """Where each whole group of ``size`` starts; what is left over makes none."""
    return range(0, len(items) - size + 1, size)


def _wires(split: Split, groups: Sequence[Island], spot: _Spot, crossing: str) -> Wires:
    """The links of the worst replica: of its ranks, and from stage to stage."""
    ranks = {"": spot.inside, "network": spot.between}.get(crossing, spot.beside)
    ranks = ranks if split.tensor > 1 else None
    if split.pipeline == 1:
        return Wires(ranks)
    joined = all(any(set(group) <= set(each) for each in spot.topology.islands) for group in groups)
    stages = spot.between or (spot.inside if joined and spot.inside else spot.beside)
    return Wires(ranks, stages)


def _crossing(split: Split, topology: Topology, crossing: str, alone: Speed | None) -> str:
    largest = max(len(island) for island in topology.islands)
    reach = f"NVLink joins {largest} of them" if largest > 1 else "NVLink joins none of them"
    over = _OVER[crossing]
    at = f", at {alone.tpot_ms:.1f} ms a token" if alone else ""
    return (
        f"fits, but a group of {split.tensor} would talk {over} at every layer ({reach}); "
        f"tensor_parallel_size={split.tensor} accepts that{at}"
    )


_OVER = {
    "pcie": "across PCIe",
    "numa": "from one NUMA node to another",
    "network": "from one server to another",
}


def split_names(layouts: Sequence[Layout]) -> str:
    """Splits as people write them: ``TP 1, 2, 4; TP 2 PP 2``, or ``1, 2 GPUs`` by layers."""
    if layouts[0].by_layers:
        counts = [layout.split.pipeline for layout in layouts]
        return f"{', '.join(map(str, counts))} GPU{'s' if counts != [1] else ''}"
    names: dict[str, list[str]] = {}
    for layout in layouts:
        split = layout.split
        rest = f" PP {split.pipeline}" if split.pipeline > 1 else ""
        rest += " EP" if split.expert_parallel else ""
        names.setdefault(rest, []).append(str(split.tensor))
    return "; ".join(f"TP {', '.join(dict.fromkeys(sizes))}{rest}" for rest, sizes in names.items())


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / GIB:.1f}"
