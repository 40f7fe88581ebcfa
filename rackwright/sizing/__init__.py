"""Bytes a GPU: weights, KV cache, activations, CUDA graphs. No placement.

Follows vLLM's accounting: of ``gpu_memory_utilization`` of the device, what weights, activations
and overhead leave is KV cache. CUDA graphs lie outside that share in vLLM's newer model
runner, which serves all models in 0.32; the older takes an estimate of them off the KV cache. The
newer would too: the units that Rackwright writes set VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS to
what was planned.
"""

from __future__ import annotations

from functools import lru_cache

from rackwright.models import Shape
from rackwright.models.tasks import keeps_tokens
from rackwright.sizing.kv_cache import (
    BLOCK_TOKENS,
    block_bytes,
    blocks_as_told,
    blocks_per_request,
    kv_bytes_per_token,
    kv_groups,
    kv_heads_per_rank,
)
from rackwright.sizing.split import GIB, Limits, Split, stage_layers
from rackwright.sizing.vram import GpuMemory
from rackwright.sizing.weights import is_row_parallel, padded_vocab, tensor_bytes, weights_bytes
from rackwright.sizing.working import (
    CONTEXT_BYTES,
    activation_bytes,
    graph_layers,
    graphs,
    standing_bytes,
)

__all__ = [
    "BLOCK_TOKENS",
    "GIB",
    "GpuMemory",
    "Limits",
    "Split",
    "blocks_per_request",
    "gpu_memory",
    "is_row_parallel",
    "kv_bytes_per_token",
    "kv_heads_per_rank",
    "padded_vocab",
    "stage_layers",
    "tensor_bytes",
    "weights_bytes",
]


@lru_cache(maxsize=65536)
def gpu_memory(shape: Shape, split: Split, total_bytes: int, limits: Limits) -> GpuMemory:
    """Memory of the fullest GPU of a replica. The fullest stage limits the KV cache of all.

    Data parallel groups have a cache each: the replica's tokens and sequences are those of all.
    """
    stages = [
        _stage_memory(shape, split, stage, total_bytes, limits)
        for stage in _unlike_stages(shape, split)
    ]
    return min(stages, key=lambda memory: (memory.kv_cache_tokens, memory.kv_cache_bytes))


@lru_cache(maxsize=65536)
def _unlike_stages(shape: Shape, split: Split) -> tuple[int, ...]:
    """The first of all stages that hold the same: a pipeline of sixteen has three or four kinds."""
    layers, last = stage_layers(len(shape.layers), split.pipeline), split.pipeline - 1
    groups = kv_groups(shape, split.pipeline)
    unlike: dict[tuple[object, ...], int] = {}
    for stage, count in enumerate(layers):
        held = weights_bytes(shape, split, stage), count, groups[stage].layers
        unlike.setdefault((*held, stage == 0, stage == last), stage)
    return tuple(unlike.values())


def _stage_memory(
    shape: Shape, split: Split, stage: int, total_bytes: int, limits: Limits
) -> GpuMemory:
    layers = stage_layers(len(shape.layers), split.pipeline)[stage]
    usable = int(total_bytes * limits.gpu_memory_utilization)
    weights = weights_bytes(shape, split, stage)
    activation = activation_bytes(shape, split, limits, stage)
    captured = graphs(shape, split, graph_layers(shape, layers), limits)
    overhead = standing_bytes(shape, split, limits, stage)
    left = usable - weights - activation - overhead - captured.inside_bytes
    blocks = max(0, left) // block_bytes(shape, split, stage, limits.kv_cache_dtype)
    requests = blocks / blocks_per_request(shape, split, limits, limits.max_model_len)
    told = blocks / blocks_as_told(shape, split, limits, limits.max_model_len)
    requests = requests if told >= 1 else told
    tokens = int(told * limits.max_model_len) * split.data
    if not keeps_tokens(shape):
        # A step's, of which nothing is kept: vLLM gives such a model no cache at all, and what
        # would be one stays free (_initialize_kv_caches in vllm/v1/engine/core.py, 0.32).
        requests, tokens = (limits.max_num_seqs if left >= 0 else 0), 0
        left, blocks = min(left, 0), 0
    return GpuMemory(
        total_bytes=total_bytes,
        usable_bytes=usable,
        weights_bytes=weights,
        peak_activation_bytes=activation,
        cuda_graph_bytes=captured.size_bytes,
        graphs_inside_bytes=captured.inside_bytes,
        overhead_bytes=overhead,
        context_bytes=CONTEXT_BYTES,
        kv_cache_bytes=left,
        kv_cache_tokens=tokens,
        sequences=int(requests) * split.data,
        kv_cache_blocks=blocks,
    )
