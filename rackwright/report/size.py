"""What a model needs, as a table for people and as a stable document for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap
from typing import Any

from rackwright.models.tasks import Task
from rackwright.planning.buying import Offer, best
from rackwright.planning.layouts import Layout, split_names
from rackwright.report.plan import answers_words, kept_words, memory_bar, memory_line, shared_memory
from rackwright.sizing import GIB, GpuMemory
from rackwright.spec import ServiceSpec

_MEMORY_KEYS = (
    "weights_gib",
    "peak_activation_gib",
    "overhead_gib",
    "cuda_graph_gib",
    "kv_cache_gib",
    "kv_cache_tokens",
    "sequences",
)
_HEADINGS = ("GPU type", "smallest", "layout", "KV cache", "a token", "all")


def size_text(
    title: str,
    service: ServiceSpec,
    offers: Sequence[Offer],
    width: int = 100,
    words: Sequence[str] = (),
    task: Task | None = None,
) -> str:
    """One line a GPU type with the fewest GPUs that serve; for a single offer, all of it.

    ``words`` are what is to be said of the model's weights, ``task`` what it does where it does not
    write.
    """
    lines = [title]
    for line in (_wanted(service, task), *words):
        lines += wrap(line, width, initial_indent="  ", subsequent_indent="    ")
    lines.append("")
    if len({offer.gpu.key for offer in offers}) == 1:
        return "\n".join([*lines, *_one_type(offers, width)])
    last = {offer.gpu.key: offer for offer in offers}
    stated = service.concurrency is not None
    rows = [_HEADINGS, *(_row(offer, stated) for offer in sorted(last.values(), key=_order))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    for row in rows:
        cells = (f"{cell:<{size}}" for cell, size in zip(row, widths, strict=True))
        lines.append(f"  {'  '.join(cells)}".rstrip())
    for offer in last.values():
        if _takes_of_the_system(offer):
            words = shared_memory(offer.gpu, offer.limits.gpu_memory_utilization)
            lines += ["", *wrap(words, width, initial_indent="  ", subsequent_indent="    ")]
    if any(offer.chosen and offer.chosen.across for offer in last.values()):
        lines += ["", "  * talks across PCIe at every layer: nothing else fits so few GPUs"]
    return "\n".join(lines)


def _wanted(service: ServiceSpec, task: Task | None) -> str:
    count = service.concurrency or 1
    many = f"{count:,} sequences" if count > 1 else "one sequence"
    goal = f"for {service.objective}{'' if service.concurrency else ' when full'}"
    return (
        f"{many} of {service.max_model_len:,} tokens, {service.gpu_memory_utilization:.0%} of "
        f"each GPU, {answers_words(task) if task else goal}"
    )


def _takes_of_the_system(offer: Offer) -> bool:
    """Whether the CPU's memory is the GPU's, and an engine makes a cache of all of its share."""
    if not offer.gpu.unified_memory or offer.refused:
        return False
    return not (offer.chosen and offer.chosen.memory) or offer.chosen.memory.has_cache


def _order(offer: Offer) -> tuple[bool, int, int, float]:
    return (offer.chosen is None, offer.nodes, offer.gpus, offer.memory_gib)


def _row(offer: Offer, stated: bool) -> tuple[str, ...]:
    """``stated``: the requests at once stand above the table, and are the same in every row."""
    layout = offer.chosen
    if offer.refused:
        return (offer.gpu.key, "none", "", "", "", offer.refused.partition(",")[0])
    if layout is None or layout.memory is None:
        return (offer.gpu.key, f"none up to {offer.gpus}", "", "", "", "")
    if layout.busy is None:
        kept = f"{layout.memory.kv_cache_tokens:,} tokens" if layout.memory.has_cache else "none"
        return (offer.gpu.key, _hardware(offer), _layout_name(layout), kept, "not predicted", "")
    return (
        offer.gpu.key,
        _hardware(offer),
        _layout_name(layout) + (" *" if layout.across else ""),
        f"{layout.memory.kv_cache_tokens:,} tokens",
        f"{layout.busy.tpot_ms:.1f} ms",
        f"{layout.out_tok_s:,.0f} tokens/s{'' if stated else f' of {layout.requests:,} requests'}",
    )


def _hardware(offer: Offer) -> str:
    if offer.nodes > 1:
        return f"{offer.nodes} servers x {offer.gpus // offer.nodes}"
    joined = "" if offer.interconnect == "none" else f", {offer.interconnect}"
    return f"{offer.gpus}{joined}"


def _layout_name(layout: Layout) -> str:
    name = split_names([layout])
    return f"{len(layout.groups)} x {name}" if len(layout.groups) > 1 else name


def _one_type(offers: Sequence[Offer], width: int) -> Iterator[str]:
    for offer in offers:
        layout = offer.chosen
        if offer.refused:
            yield offer.refused
            return
        yield f"{offer.gpu.name}, {_hardware(offer)}"
        if _takes_of_the_system(offer):
            words = shared_memory(offer.gpu, offer.limits.gpu_memory_utilization)
            yield from wrap(words, width, initial_indent="  ", subsequent_indent="    ")
        if layout and layout.memory:
            yield f"  {_layout_name(layout)}"
            yield from [f"    {layout.reason}"] if layout.reason else []
            yield f"    {memory_bar(layout.memory, min(60, width - 20))}"
            yield f"    a GPU: {memory_line(layout.memory)}"
            yield f"    {_kept(layout.memory, offer)}"
        if layout and layout.alone and layout.busy:
            yield (
                f"    predicted: {layout.alone.tpot_ms:.1f} ms a token alone; "
                f"{layout.busy.concurrency} at once a replica {layout.busy.tpot_ms:.1f} ms, "
                f"{layout.out_tok_s:,.0f} tokens/s in all"
            )
        by_reason: dict[str, list[Layout]] = {}
        for other in offer.others:
            by_reason.setdefault(other.reason, []).append(other)
        for reason, same in by_reason.items():
            yield f"  {split_names(same)}: {reason}"


def _kept(memory: GpuMemory, offer: Offer) -> str:
    if not memory.has_cache:
        return kept_words(memory, offer.limits)
    return (
        f"KV cache for {memory.kv_cache_tokens:,} tokens a replica: "
        f"{memory.sequences:,} of full length"
    )


def size_document(
    model: str, service: ServiceSpec, offers: Sequence[Offer], task: Task | None = None
) -> dict[str, Any]:
    """The answer as values for JSON; docs/planner.md names every key. Sizes are GiB a GPU."""
    entries = []
    winner = best(offers)
    picked = None
    for offer in offers:
        layouts = [offer.chosen] if offer.chosen else []
        for layout in (*layouts, *offer.others):
            entry = _entry(offer, layout)
            entries.append(entry)
            if offer is winner and layout is offer.chosen:
                picked = entry
    return {
        "model": model,
        "max_model_len": service.max_model_len,
        "concurrency": service.concurrency or 1,
        "gpu_memory_utilization": service.gpu_memory_utilization,
        "objective": None if task else service.objective,
        "task": task,
        "layouts": entries,
        "chosen": picked,
    }


def _entry(offer: Offer, layout: Layout) -> dict[str, Any]:
    limits = layout.limits or offer.limits
    return {
        "gpu": offer.gpu.key,
        "gpus": offer.gpus,
        "nodes": offer.nodes,
        "interconnect": offer.interconnect,
        "tensor_parallel_size": layout.split.tensor,
        "pipeline_parallel_size": layout.split.pipeline,
        "expert_parallel": layout.split.expert_parallel,
        "data_parallel_size": layout.split.data,
        "decode_context_parallel_size": layout.split.context,
        "replicas": len(layout.groups),
        "feasible": layout.feasible,
        "reason": layout.reason,
        "chosen": layout is offer.chosen,
        "max_num_seqs": limits.max_num_seqs,
        "max_num_batched_tokens": limits.max_num_batched_tokens,
        **_memory_entry(layout.memory),
        **_speed_entry(layout),
    }


def _memory_entry(memory: GpuMemory | None) -> dict[str, Any]:
    if memory is None:
        return dict.fromkeys(_MEMORY_KEYS)
    sizes = (
        memory.weights_bytes,
        memory.peak_activation_bytes,
        memory.overhead_bytes,
        memory.cuda_graph_bytes,
        memory.kv_cache_bytes,
    )
    figures = (*(round(size / GIB, 3) for size in sizes), memory.kv_cache_tokens, memory.sequences)
    return dict(zip(_MEMORY_KEYS, figures, strict=True))


def _speed_entry(layout: Layout) -> dict[str, Any]:
    if layout.busy is None:
        return dict.fromkeys(("requests", "tpot_ms", "ttft_ms", "out_tok_s"))
    return {
        "requests": layout.requests,
        "tpot_ms": layout.busy.tpot_ms,
        "ttft_ms": layout.busy.ttft_ms,
        "out_tok_s": round(layout.out_tok_s, 1),
    }
