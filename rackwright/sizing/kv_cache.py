"""KV cache: bytes a token, and how many tokens fit, counted as vLLM counts them.

vLLM gives every layer group blocks of the same bytes: layers that see everything and layers with
a sliding window are grouped apart, and a group has as many layers as the rarer kind. A model with
one kind is one group. Source: vllm/v1/core/kv_cache_utils.py and kv_cache_interface.py, 0.26.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from math import ceil
from typing import NamedTuple

from rackwright.models import DTYPE_BYTES, KvCache, Shape
from rackwright.sizing.packed import is_packed, packed_block_bytes, packed_blocks
from rackwright.sizing.split import Limits, Split, stage_range

# CacheConfig.DEFAULT_BLOCK_SIZE
BLOCK_TOKENS = 16
# Kinds of layers whose numbers differ by less than half share one group size, padded.
_UNEVEN = 1.5


class KvGroups(NamedTuple):
    """How one stage's KV cache is laid out: layers a group, and groups of each kind of layer."""

    layers: int
    groups: dict[int | str, int]


def kv_heads_per_rank(heads: int, tensor_parallel_size: int) -> int:
    """KV heads each rank holds: its share, or one replicated head."""
    return max(1, heads // tensor_parallel_size)


def layer_kv_bytes(shape: Shape, kv: KvCache, split: Split, kv_cache_dtype: str) -> int:
    """KV cache bytes a token of one layer on one rank. A latent cache is on every rank whole.

    Where tokens are dealt over ranks, on the one of them that has the token.
    Of a layer with several caches that is what it keeps of every token, or else of its window.
    """
    if kv.pages:
        counted = [page for page in kv.pages if page.window == kv.window and not page.once]
        return ceil(sum(page.size_bytes / page.tokens for page in counted))
    heads = 1 if kv.latent else kv_heads_per_rank(kv.heads, split.tensor)
    dtype = shape.kv_cache_dtype if kv_cache_dtype == "auto" else kv_cache_dtype
    if dtype == "fp8" and kv.fp8_bytes:
        return kv.fp8_bytes + kv.beside_bytes
    if dtype == "nvfp4":  # with a scale for every 16 (nvfp4_kv_cache_full_dim, vllm, 0.32)
        return heads * (kv.elements // 2 + kv.elements // 16) + kv.beside_bytes
    return heads * kv.elements * DTYPE_BYTES[dtype] + kv.beside_bytes


def kv_bytes_per_token(shape: Shape, split: Split, stage: int, kv_cache_dtype: str = "auto") -> int:
    """KV cache bytes of a token on one GPU of a stage, while it is inside every window."""
    return sum(
        layer_kv_bytes(shape, shape.layers[i].kv, split, kv_cache_dtype)
        for i in stage_range(len(shape.layers), split.pipeline, stage)
    )


def block_tokens(shape: Shape, split: Split, kv_cache_dtype: str) -> int:
    """Tokens of one block: 16, or as many as weigh what linear attention keeps of a request."""
    state = max(layer.kv.state_bytes for layer in shape.kinds) // split.tensor
    if not state:
        return BLOCK_TOKENS
    each = _token_bytes(shape, split, kv_cache_dtype)
    return BLOCK_TOKENS * -(-state // (BLOCK_TOKENS * each))


@lru_cache(maxsize=65536)
def block_bytes(shape: Shape, split: Split, stage: int, kv_cache_dtype: str) -> int:
    """Bytes of one block of a stage: the tokens of a block in one group of layers."""
    if is_packed(shape):
        return packed_block_bytes(shape, split, stage)
    if {layer.kv.kind for layer in shape.kinds} <= {"full", "none"}:
        # one group whatever the pages are (UniformTypeKVCacheSpecs in v1/kv_cache_interface.py)
        return max(1, BLOCK_TOKENS * kv_bytes_per_token(shape, split, stage, kv_cache_dtype))
    layers = kv_groups(shape, split.pipeline)[stage].layers
    tokens = block_tokens(shape, split, kv_cache_dtype)
    return max(1, layers * _token_bytes(shape, split, kv_cache_dtype) * tokens)


def _token_bytes(shape: Shape, split: Split, kv_cache_dtype: str) -> int:
    """KV cache bytes a token of the widest layer on one rank."""
    kinds = shape.kinds
    return max(1, *(layer_kv_bytes(shape, each.kv, split, kv_cache_dtype) for each in kinds))


@lru_cache(maxsize=65536)
def blocks_per_request(shape: Shape, split: Split, limits: Limits, tokens: int) -> int:
    """Blocks that one request of so many tokens holds at most.

    A windowed layer keeps its window and what is in flight: a full step for every stage, and
    one more because steps overlap. Linear attention keeps one block, what looks at sound those of
    all its frames. Dealt over ranks a request has its share of the tokens on each
    (FullAttentionSpec.max_memory_usage_bytes in vllm/v1/kv_cache_interface.py, 0.32).
    """
    if is_packed(shape):
        return packed_blocks(shape, split, limits, tokens)
    in_flight = (split.pipeline + 1) * limits.max_num_batched_tokens
    needed = 0
    for kind, count in kv_groups(shape, split.pipeline)[0].groups.items():
        size = kind_tokens(shape, split, limits.kv_cache_dtype, kind)
        if kind == "state":
            needed += count
        elif kind == "fixed":
            needed += count * -(-max(layer.kv.fixed_tokens for layer in shape.kinds) // size)
        elif isinstance(kind, int):
            needed += count * (-(-min(kind - 1 + in_flight, tokens) // size) + 1)
        else:
            needed += count * -(-tokens // split.context // size)
    return max(1, needed)


def blocks_as_told(shape: Shape, split: Split, limits: Limits, tokens: int) -> int:
    """Blocks of such a request as the engine counts them where it says how many tokens fit.

    What looks at sound counts there with the tokens of a step instead of a sound's frames, and one
    such request must fit for it to start (``CrossAttentionSpec.max_memory_usage_bytes`` in
    vllm/v1/kv_cache_interface.py, 0.32; ``max_num_encoder_input_tokens`` in config/scheduler.py).
    """
    held = blocks_per_request(shape, split, limits, tokens)
    frames = max(layer.kv.fixed_tokens for layer in shape.kinds)
    if not frames:
        return held
    groups = kv_groups(shape, split.pipeline)[0].groups["fixed"]
    size = kind_tokens(shape, split, limits.kv_cache_dtype, "fixed")
    step = max(frames, limits.max_num_batched_tokens)
    return held + groups * (-(-step // size) - -(-frames // size))


def kind_tokens(shape: Shape, split: Split, kv_cache_dtype: str, kind: int | str) -> int:
    """Tokens of one block in layers of this kind: more where they keep less of a token.

    Where the widest layer's bytes are no multiple of theirs, what is over stays empty (the engine's
    unify_kv_cache_spec_page_size, 0.32).
    """
    size = block_tokens(shape, split, kv_cache_dtype)
    if kind == "state":
        return size
    kept = (layer.kv for layer in shape.kinds if layer.kv.kind == kind)
    own = max(layer_kv_bytes(shape, kv, split, kv_cache_dtype) for kv in kept)
    widest = _token_bytes(shape, split, kv_cache_dtype)
    return size * (widest // own) if widest % own == 0 else size


@lru_cache(maxsize=65536)
def kv_groups(shape: Shape, stages: int) -> tuple[KvGroups, ...]:
    """The groups of every stage. They are formed over the whole model, then dealt to stages."""
    own = [layer.kv.kind for layer in shape.layers]
    kinds = Counter(kind for kind in own if kind != "none")
    if not kinds:
        return (KvGroups(0, {}),) * stages
    size, most = min(kinds.values()), max(kinds.values())
    if most < size * _UNEVEN:
        size = most
    groups = {kind: -(-count // size) for kind, count in kinds.items()}
    order = {kind: [i for i, each in enumerate(own) if each == kind] for kind in kinds}
    members = [
        order[kind][start::count] for kind, count in groups.items() for start in range(count)
    ]
    ranges = [stage_range(len(own), stages, stage) for stage in range(stages)]
    return tuple(
        KvGroups(max(sum(i in each for i in group) for group in members), groups) for each in ranges
    )
