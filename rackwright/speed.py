"""Predicted speed of a layout: a roofline over memory, compute and the links between GPUs.

A step costs each GPU the longer of reading what it must (weights, KV cache) and computing what it
must, plus what its launches and its messages cost. Tensor parallel ranks exchange the hidden
states twice a layer (all-reduce), pipeline stages pass them on once. Efficiencies come from
catalog/links.yaml and the constants below, fitted to the rows of tests/data/h200x2/engine.json
and tests/data/h200x1/measured.json; `benchmarks/planner` prints predicted against measured.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from rackwright.architectures import DTYPE_BYTES, Shape, Sharding, Tensor
from rackwright.catalog import GpuType, Link
from rackwright.sizing import Split, tensor_bytes
from rackwright.sizing.kv_cache import layer_kv_bytes
from rackwright.sizing.split import stage_range
from rackwright.sizing.weights import layer_bytes

MEMORY_EFFICIENCY = 0.80
"""Share of the memory's bandwidth that decoding reaches."""
COMPUTE_EFFICIENCY = {"bf16": 0.62, "fp8": 0.50, "int8": 0.50, "fp4": 0.40}
"""Share of the dense peak that prefill keeps up; of int8 and fp4 nothing was measured."""
EXPERT_EFFICIENCY = 0.5
"""What the experts' many small products reach of that."""
LAYER_S = 20e-6
"""Launches of one layer, that no GPU is fast enough to hide."""
EXPERT_LAYER_S = 20e-6
"""What routing adds to a layer with experts."""
LATENT_LAYER_S = 25e-6
"""What latent attention adds to a layer."""
STEP_S = 300e-6
"""Scheduling and sampling of one step."""
PIPELINE_EFFICIENCY = 0.85
"""Share of its time that a stage works while several batches are under way."""
EXPERT_IMBALANCE = 1.2
"""How much more the busiest rank reads and computes where ranks hold whole experts."""
TERA, GIGA = 1e12, 1e9


class Load(NamedTuple):
    """Requests that arrive together: how many, and the tokens of prompt and answer."""

    concurrency: int = 1
    input_tokens: int = 512
    output_tokens: int = 128


class Wires(NamedTuple):
    """What tensor parallel ranks talk over, and what pipeline stages do; None for one GPU."""

    ranks: Link | None = None
    stages: Link | None = None


class Speed(BaseModel):
    """Predicted medians under a load of one replica: milliseconds, and tokens a second of all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    concurrency: int
    tpot_ms: float
    ttft_ms: float
    out_tok_s: float


class _Work(NamedTuple):
    """What one token costs one GPU of a stage."""

    read_bytes: int
    expert_bytes: int
    active_share: float
    flops: float
    expert_flops: float
    attention_flops: float
    kv_bytes: tuple[tuple[int | None, int], ...]
    layers: int
    launches_s: float


class Machine(NamedTuple):
    """One kind of GPU, its links, and what the engine is told."""

    gpu: GpuType
    wires: Wires
    kv_cache_dtype: str
    max_num_batched_tokens: int


def predict(shape: Shape, split: Split, machine: Machine, load: Load) -> Speed:
    """Speed of one replica under ``load``. Prefill delays the answers already begun."""
    context = load.input_tokens + load.output_tokens // 2
    step = _decode_s(shape, split, machine, load.concurrency, context)
    prompt = load.concurrency * load.input_tokens
    chunk = min(prompt, machine.max_num_batched_tokens)
    all_prefilled = _prefill_s(shape, split, machine, prompt, load.input_tokens)
    # The median request's prompt; nobody answers before the whole of its own is read.
    first = all_prefilled * (prompt + max(chunk, load.input_tokens)) / (2 * prompt)
    token = step + (all_prefilled - first) / load.output_tokens
    total = load.concurrency * load.output_tokens
    return Speed(
        concurrency=load.concurrency,
        tpot_ms=round(token * 1e3, 3),
        ttft_ms=round((first + step) * 1e3, 1),
        out_tok_s=round(total / (first + load.output_tokens * token), 1),
    )


def _decode_s(shape: Shape, split: Split, machine: Machine, batch: int, context: int) -> float:
    """Seconds of a step that gives each of ``batch`` requests its next token."""
    each = -(-batch // split.pipeline)
    stages = [
        _stage_s(shape, split, stage, machine, each, each, context)
        for stage in range(split.pipeline)
    ]
    once = sum(stages) + _hand_over_s(shape, split, machine, each)
    if split.pipeline > 1 and batch > 1:
        once = max(once, split.pipeline * max(stages)) / PIPELINE_EFFICIENCY
    return once + STEP_S


def _prefill_s(shape: Shape, split: Split, machine: Machine, tokens: int, prompt: int) -> float:
    """Seconds to read so many tokens of prompts, a step's worth at a time."""
    chunk = min(tokens, machine.max_num_batched_tokens)
    samples = max(1, chunk // prompt)
    stages = [
        _stage_s(shape, split, stage, machine, chunk, samples, prompt // 2, reads_kv=False)
        for stage in range(split.pipeline)
    ]
    steps = tokens / chunk
    once = sum(stages) + _hand_over_s(shape, split, machine, chunk)
    return once + (steps - 1) * max(stages) / (PIPELINE_EFFICIENCY if split.pipeline > 1 else 1)


def _stage_s(
    shape: Shape,
    split: Split,
    stage: int,
    machine: Machine,
    tokens: int,
    samples: int,
    context: int,
    reads_kv: bool = True,
) -> float:
    work = _work(shape, split, stage, machine.kv_cache_dtype)
    touched = 1 - (1 - work.active_share) ** tokens
    uneven = EXPERT_IMBALANCE if split.expert_parallel else 1.0
    read = work.read_bytes + work.expert_bytes * touched * uneven
    if reads_kv:
        read += tokens * sum(
            size * (context if window is None else min(window, context))
            for window, size in work.kv_bytes
        )
    flops = tokens * (
        work.flops + work.expert_flops * uneven / EXPERT_EFFICIENCY + work.attention_flops * context
    ) + samples * _head_flops(shape, split, stage)
    memory = read / (machine.gpu.memory_bandwidth_gb_per_s * GIGA * MEMORY_EFFICIENCY)
    compute = flops / (_reached_tflops(shape, machine.gpu) * TERA)
    return (
        max(memory, compute) + work.launches_s + _all_reduce_s(shape, split, machine, tokens, work)
    )


def _reached_tflops(shape: Shape, gpu: GpuType) -> float:
    """What the GPU keeps up in the dtype the products run in; in bf16 where it lacks that dtype."""
    wanted = shape.quantization.compute if shape.quantization else "bf16"
    peaks = {str(name): peak for name, peak in gpu.dense_tflops.items()}
    name = wanted if wanted in peaks else "bf16"
    return peaks[name] * COMPUTE_EFFICIENCY[name]


def _all_reduce_s(shape: Shape, split: Split, machine: Machine, tokens: int, work: _Work) -> float:
    """Two all-reduces of the hidden states a layer (Megatron-LM, arXiv:1909.08053)."""
    link = machine.wires.ranks
    if link is None:
        return 0.0
    size = tokens * shape.hidden_size * DTYPE_BYTES[shape.dtype]
    return 2 * work.layers * link.all_reduce_us(size, split.tensor) * 1e-6


def _hand_over_s(shape: Shape, split: Split, machine: Machine, tokens: int) -> float:
    """Hidden states and residual from stage to stage."""
    link = machine.wires.stages
    if link is None:
        return 0.0
    size = 2 * tokens * shape.hidden_size * DTYPE_BYTES[shape.dtype]
    return (split.pipeline - 1) * link.send_us(size) * 1e-6


def _head_flops(shape: Shape, split: Split, stage: int) -> float:
    return 2 * shape.head.elements / split.tensor if stage == split.pipeline - 1 else 0.0


@lru_cache(maxsize=65536)
def _work(shape: Shape, split: Split, stage: int, kv_cache_dtype: str) -> _Work:
    numbers = stage_range(len(shape.layers), split.pipeline, stage)
    layers, held = [shape.layers[i] for i in numbers], layer_bytes(shape, split)
    read = expert_read = 0
    flops = expert_flops = attention = 0.0
    share, kv = 1.0, dict.fromkeys({layer.kv.window for layer in layers}, 0)
    for number, layer in zip(numbers, layers, strict=True):
        for tensor, size in held[number]:
            if tensor.sharding is Sharding.EXPERTS and layer.experts:
                share = layer.experts.active / layer.experts.count
                expert_read += size
                expert_flops += 2 * tensor.elements * share / split.tensor
            elif tensor.stored:
                read += size
                flops += 2 * tensor.elements / _ranks(tensor, split)
        attention += 4 * layer.query_width / split.tensor
        kv[layer.kv.window] += layer_kv_bytes(shape, layer.kv, split, kv_cache_dtype)
    if stage == split.pipeline - 1:
        read += tensor_bytes(shape, shape.head, split)
    launches = sum(
        LAYER_S
        + (EXPERT_LAYER_S if layer.experts else 0)
        + (LATENT_LAYER_S if layer.kv.latent else 0)
        for layer in layers
    )
    kept = tuple(kv.items())
    return _Work(
        read, expert_read, share, flops, expert_flops, attention, kept, len(layers), launches
    )


def _ranks(tensor: Tensor, split: Split) -> int:
    return 1 if tensor.sharding is Sharding.REPLICATED else split.tensor
