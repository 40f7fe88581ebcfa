"""The plan as text for a terminal: what runs where, and what was not chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from textwrap import wrap
from typing import TypeVar

from rackwright.catalog import GpuType
from rackwright.models.gguf import Gguf
from rackwright.models.tasks import IN_WORDS, Task
from rackwright.plan import FleetPlan, RejectedLayout, Replica, Speed
from rackwright.planning.layouts import split_name
from rackwright.report.images import images_words
from rackwright.report.weights import weights_words
from rackwright.sizing import GIB, GpuMemory, Limits
from rackwright.spec import ServerSpec

_BAR = 60
"""Characters of a memory bar."""
_SHOWN = 4
"""Feasible layouts named of those not chosen, the best first; --json lists all."""
_SIGNS = "█▓▒░"
Entry = TypeVar("Entry", Replica, RejectedLayout)


def plan_text(plan: FleetPlan, width: int = 100) -> str:
    """The plan a server at a time, then the upstreams; no line is longer than ``width``."""
    rejected: dict[str, list[RejectedLayout]] = {}
    for layout in plan.rejected:
        rejected.setdefault(layout.server, []).append(layout)
    blocks = [
        _server_lines(server, plan.types_of(name), plan.on(name), rejected.get(name, []), width)
        for name, server in plan.servers.items()
    ]
    blocks.append(list(_upstream_lines(plan, width)))
    if plan.records:
        blocks.append(list(_record_lines(plan, width)))
    return "\n\n".join("\n".join(block) for block in blocks)


def _server_lines(
    server: ServerSpec,
    types: Sequence[GpuType],
    replicas: Sequence[Replica],
    rejected: list[RejectedLayout],
    width: int,
) -> list[str]:
    lines = [f"{server.name}  {server_gpus(server, types)}  {server.address}"]
    for _, same in groupby(replicas, key=lambda replica: replica.service.name):
        lines.extend(_service_lines(list(same), width))
    declared = (index for kind in server.kinds for index in kind.gpus.nvml_indexes)
    idle = set(declared).difference(*(replica.gpus for replica in replicas))
    if idle:
        lines.append(f"  {_gpus(tuple(sorted(idle)))} idle")
    for service, layouts in groupby(rejected, key=lambda layout: layout.service):
        lines.append(f"  not chosen for {service}:")
        lines.extend(_rejected_lines(list(layouts), width))
    return lines


def server_gpus(server: ServerSpec, types: Sequence[GpuType]) -> str:
    """The GPUs of a server and what joins them: ``2 x NVIDIA L40S, pcie``; each type."""
    return " + ".join(
        f"{kind.gpus.count} x {gpu.name}"
        + ("" if kind.interconnect == "none" else f", {kind.interconnect}")
        for kind, gpu in zip(server.kinds, types, strict=True)
    )


def _service_lines(replicas: list[Replica], width: int) -> Iterator[str]:
    """A line a replica, and once what is the same for all replicas of a service on a server."""
    for replica in replicas:
        yield from _wrapped(f"  {_replica_line(replica)}", width, 6)
    first = replicas[0]
    each = " each" if len(replicas) > 1 else ""
    yield from _memory_lines(first, width)
    kept = kept_words(first.memory, first.limits, each)
    yield from _wrapped(f"      context {first.limits.max_model_len:,} tokens; {kept}", width, 6)
    of_weights = [] if first.gguf else weights_words(first.model.shape)
    told = (_images, _projector, _by_the_gpu, _across_servers)
    for words in (*of_weights, *(words for tell in told for words in tell(first))):
        yield from _wrapped(f"      {words}", width, 6)
    if first.speeds:
        text = f"      predicted: {_speed(first.speeds[0], first.speeds[-1])}{each}"
        yield from _wrapped(text, width, 17)
    elif first.task:
        yield f"      {answers_words(first.task)}"
    elif canvas := first.model.shape.canvas:
        yield f"      answers are made {canvas:,} tokens at once; how fast is not predicted"
    else:
        yield f"      the speed of engine {first.service.engine} is not predicted"


def kept_words(memory: GpuMemory, limits: Limits, each: str = "") -> str:
    """What an engine holds of requests: in its KV cache, or in one step alone."""
    if memory.has_cache:
        full = f"{_count(memory.sequences, 'sequence')} of full length"
        return f"KV cache for {memory.kv_cache_tokens:,}{each}: {full}"
    return (
        f"no KV cache: steps of {limits.max_num_batched_tokens:,} tokens, of up to "
        f"{_count(limits.max_num_seqs, 'request')}"
    )


def answers_words(task: Task) -> str:
    """What a model answers with that does not write."""
    return f"answers with {IN_WORDS[task]}; how fast is not predicted"


def _memory_lines(replica: Replica, width: int) -> Iterator[str]:
    """The fullest GPU, or each where they are not equal; and which has which layers."""
    unlike = len({one.memory.total_bytes for one in replica.dealt}) > 1
    shown = {f"GPU {gpu}": replica.memory_of(gpu) for gpu in replica.gpus if unlike}
    for name, memory in (shown or {"a GPU": replica.memory}).items():
        yield f"      {memory_bar(memory, min(_BAR, width - 30))}"
        yield from _wrapped(f"      {name}: {memory_line(memory)}", width, 13)
    if len(replica.dealt) > 1:
        yield from _wrapped(f"      {_layers(replica)}", width, 6)


def _layers(replica: Replica) -> str:
    """``GPU 0: layers 0-27; GPU 1: layers 28-41 and the output head``."""
    parts = []
    for gpu, own in zip(replica.gpus, replica.dealt, strict=True):
        last = own.end - 1
        layers = f"layers {own.first}-{last}" if last > own.first else f"layer {last}"
        what = [*([layers] if own.end > own.first else []), *(["the output head"] * own.head)]
        parts.append(f"GPU {gpu}: {' and '.join(what)}")
    return "; ".join(parts)


def _images(replica: Replica) -> list[str]:
    shape = replica.service.shape_of(replica.model)
    return [] if replica.gguf else images_words(shape, replica.split, replica.limits)


def _projector(replica: Replica) -> Iterator[str]:
    if mmproj := replica.mmproj:
        name = str(mmproj.file or mmproj.path).rpartition("/")[2]
        where = f"{_gib(mmproj.size_bytes)} GiB on GPU {replica.gpus[0]}"
        yield f"with projector {name}, {where}; what it computes in is an estimate"


def _by_the_gpu(replica: Replica) -> Iterator[str]:
    """What is other than usual because the GPUs are old, or share their memory."""
    gpu = replica.gpu
    if replica.gguf is None and replica.dtype != replica.model.shape.dtype:
        yield f"computed in {replica.dtype}: {gpu.name} has no {replica.model.shape.dtype}"
    if gpu.unified_memory and replica.memory.has_cache:  # else it takes what it needs alone
        yield shared_memory(gpu, replica.limits.gpu_memory_utilization)


def _across_servers(replica: Replica) -> Iterator[str]:
    if replica.span and replica.answers and not replica.kept_together:
        yield 'watchdog = "off": where one rank dies, nobody starts the others anew with it'


def shared_memory(gpu: GpuType, share: float) -> str:
    """What engines take of memory that CPU and GPU share."""
    left = gpu.memory_bytes * (1 - share) / GIB
    return (
        f"{gpu.name} shares its memory with the CPU: the engine takes {share:.0%} of it, "
        f"{left:.0f} GiB stay for the system and the engine's own processes"
    )


def _replica_line(replica: Replica) -> str:
    split = f"TP {replica.split.tensor}  PP {replica.split.pipeline}"
    split += "  EP" if replica.split.expert_parallel else ""
    split += f"  DCP {replica.split.context}" if replica.split.context > 1 else ""
    split = f"DP {replica.split.data}  {split}" if replica.split.data > 1 else split
    split = _file(replica.gguf) if replica.gguf else split
    where = f"{_gpus(replica.gpus)}  {split}"
    if replica.span:
        where += f"  server {replica.span.rank + 1} of {len(replica.span.addresses)}"
    port = f"  port {replica.port}" if replica.answers else ""
    return f"{replica.name}  {replica.model.name}  {where}{port}"


def _file(gguf: Gguf) -> str:
    kind = f" {gguf.quantization}" if gguf.quantization else ""
    return f"GGUF{kind} {_gib(gguf.size_bytes)} GiB, by layers"


def _speed(alone: Speed, busy: Speed) -> str:
    return (
        f"{alone.tpot_ms:.1f} ms a token alone, first after {alone.ttft_ms:.0f} ms; "
        f"{_count(busy.concurrency, 'request')} at once {busy.tpot_ms:.1f} ms, "
        f"{busy.out_tok_s:,.0f} tokens/s"
    )


def memory_bar(memory: GpuMemory, cells: int) -> str:
    """One GPU's memory drawn to scale: weights, KV cache, activations and graphs, free."""
    parts = (
        memory.weights_bytes,
        max(0, memory.kv_cache_bytes),
        memory.working_bytes + memory.cuda_graph_bytes,
    )
    ends = [round(cells * end / memory.total_bytes) for end in accumulate(parts)]
    drawn = "".join(
        sign * max(0, end - start)
        for sign, start, end in zip(_SIGNS, (0, *ends), ends, strict=False)
    )
    return f"{drawn:{_SIGNS[-1]}<{cells}} {_gib(memory.total_bytes)} GiB"


def memory_line(memory: GpuMemory) -> str:
    """The parts of one GPU's memory in figures, each with the sign that draws it."""
    cache = f"{_SIGNS[1]} KV cache {_gib(memory.kv_cache_bytes)} + "
    return (
        f"{_SIGNS[0]} weights {_gib(memory.weights_bytes)} + "
        f"{cache if memory.has_cache else ''}"
        f"{_SIGNS[2]} activations {_gib(memory.working_bytes)} "
        f"and graphs {_gib(memory.cuda_graph_bytes)} + "
        f"{_SIGNS[3]} free {_gib(memory.unused_bytes)} GiB"
    )


def _rejected_lines(layouts: list[RejectedLayout], width: int) -> Iterator[str]:
    """One entry a reason: layouts rejected for the same reason are named together."""
    by_reason: dict[str, list[RejectedLayout]] = {}
    for layout in layouts:
        by_reason.setdefault(layout.reason, []).append(layout)
    for reason, same in by_reason.items():
        if same[0].feasible:
            shown = (f"{_split(layout)} {_figures(layout)}".rstrip() for layout in same[:_SHOWN])
            names = ", ".join(shown)
            names += f" and {len(same) - _SHOWN} more" if len(same) > _SHOWN else ""
            yield from _wrapped(f"    {reason}: {names}", width, 8)
        else:
            names = ", ".join(map(_split, same))
            yield from _wrapped(f"    {names}: {reason}", width, 8)


def _split(layout: RejectedLayout) -> str:
    if layout.by_layers:
        return _count(layout.split.pipeline, "GPU")
    name = split_name(layout.split)
    return f"{layout.replicas} x {name}" if layout.feasible and layout.replicas > 1 else name


def _figures(layout: RejectedLayout) -> str:
    """One request's milliseconds a token, and tokens a second of so many at once."""
    if layout.tpot_ms is None or layout.out_tok_s is None:
        return ""
    return (
        f"({layout.tpot_ms:.1f} ms alone, {layout.out_tok_s:,.0f} tokens/s of "
        f"{_count(layout.requests or 0, 'request')})"
    )


def _upstream_lines(plan: FleetPlan, width: int) -> Iterator[str]:
    for upstream in plan.upstreams:
        names = ", ".join(replica.name for replica in upstream.replicas)
        text = f"{upstream.service.name}  as {upstream.service.served_as}  by {names}"
        at = (f"{r.gateway}:{r.port}" for r in plan.routers if r.service is upstream.service)
        if service_router := upstream.service.router:
            text += f"  through {service_router} on {', '.join(at)}"
        yield from _wrapped(text, width, 4)


def _record_lines(plan: FleetPlan, width: int) -> Iterator[str]:
    for record in plan.records:
        text = f"{record.name}  must lead clients to {' and '.join(record.addresses)} (DNS)"
        yield from _wrapped(text, width, 4)


def _gpus(indexes: tuple[int, ...]) -> str:
    """``GPU 3``, ``GPUs 0-3`` where they are consecutive, ``GPUs 0, 2`` where not."""
    if len(indexes) == 1:
        return f"GPU {indexes[0]}"
    if indexes == tuple(range(indexes[0], indexes[-1] + 1)):
        return f"GPUs {indexes[0]}-{indexes[-1]}"
    return f"GPUs {', '.join(map(str, indexes))}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / GIB:.1f}"


def _wrapped(text: str, width: int, indent: int) -> list[str]:
    return wrap(text, width, subsequent_indent=" " * indent, drop_whitespace=True)
