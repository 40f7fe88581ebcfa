"""Bytes a GPU where an engine gives weights and KV cache a fixed share, as SGLang does.

Of what is free before the model is loaded it keeps ``1 - share`` for activations and CUDA graphs,
by a rule of its own; what the weights leave of the share is KV cache, token by token. Source:
sglang/srt/arg_groups/memory_hook.py and mem_cache/kv_cache_configurator.py, 0.5.23. Nothing here
was measured on a GPU.
"""

from __future__ import annotations

from functools import lru_cache

from rackwright.models import Shape
from rackwright.sizing.kv_cache import kv_bytes_per_token
from rackwright.sizing.split import GIB, Limits, Split
from rackwright.sizing.vram import GpuMemory
from rackwright.sizing.weights import weights_bytes
from rackwright.sizing.working import CONTEXT_BYTES

MIB = 1024**2
LARGE_GPU_BYTES = 60 * GIB
"""A GPU of more memory keeps at least ``LARGE_RESERVE_BYTES``."""
LARGE_RESERVE_BYTES = 10 * GIB
PREFILL_GRAPHS_BYTES = 512 * MIB
"""The prefill graphs' own memory, 8 MiB each: an upper bound of their number is 64."""
SHARE_STEP = 0.01


def reserve_bytes(total_bytes: int, gpus: int, limits: Limits) -> int:
    """What the engine itself would keep for activations and graphs of a replica of so many GPUs."""
    activations = 1.5 * max(limits.max_num_batched_tokens, 2048)
    graphs = 0 if limits.enforce_eager else 2 * limits.max_num_seqs
    own = round((512 + activations + graphs + 128 * gpus) * MIB)
    own += 0 if limits.enforce_eager else PREFILL_GRAPHS_BYTES
    return max(own, LARGE_RESERVE_BYTES) if total_bytes > LARGE_GPU_BYTES else own


def usual_share(total_bytes: int, limits: Limits) -> float:
    """The largest share, in hundredths, that leaves the reserve of a replica of 16 GPUs."""
    left = total_bytes - reserve_bytes(total_bytes, 16, limits) - CONTEXT_BYTES
    return max(SHARE_STEP, int(left / total_bytes / SHARE_STEP) * SHARE_STEP)


def unjudged(shape: Shape) -> str:
    """Why such a model cannot be computed; empty where it can."""
    if any(layer.kv.latent for layer in shape.kinds):
        return "the KV cache of latent attention (MLA) is not judged yet"
    if any(layer.kv.window or layer.kv.state_bytes for layer in shape.kinds):
        return "its pools for sliding windows and linear attention are not judged yet"
    if shape.text_only:
        return "what it takes for images is not judged yet"
    return ""


@lru_cache(maxsize=65536)
def static_memory(shape: Shape, split: Split, total_bytes: int, limits: Limits) -> GpuMemory:
    """Memory of the fullest GPU of a replica."""
    stages = [_stage(shape, split, stage, total_bytes, limits) for stage in range(split.pipeline)]
    return min(stages, key=lambda memory: (memory.kv_cache_tokens, memory.kv_cache_bytes))


def _stage(shape: Shape, split: Split, stage: int, total_bytes: int, limits: Limits) -> GpuMemory:
    free = total_bytes - CONTEXT_BYTES
    usable = int(free * limits.gpu_memory_utilization)
    weights = weights_bytes(shape, split, stage)
    left = usable - weights
    each = max(1, kv_bytes_per_token(shape, split, stage, limits.kv_cache_dtype))
    tokens = max(0, left) // each
    return GpuMemory(
        total_bytes=total_bytes,
        usable_bytes=usable,
        weights_bytes=weights,
        peak_activation_bytes=0,
        cuda_graph_bytes=reserve_bytes(total_bytes, split.gpus, limits),
        graphs_inside_bytes=0,
        overhead_bytes=0,
        context_bytes=CONTEXT_BYTES,
        kv_cache_bytes=left,
        kv_cache_tokens=tokens,
        sequences=tokens // limits.max_model_len,
    )
