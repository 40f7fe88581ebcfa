"""Bytes of weights on each GPU, tensor by tensor."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from rackwright.models import DTYPE_BYTES, Layer, Scheme, Shape, Sharding, Tensor
from rackwright.models.quantization.names import ROW_PARALLEL
from rackwright.sizing.split import Split, stage_range
from rackwright.sizing.vision import tower_bytes

# vLLM pads the vocabulary to a multiple of 64 (DEFAULT_VOCAB_PADDING_SIZE).
VOCAB_PADDING = 64
# Widths of experts that kernels pad: each rank's to a multiple of 128 (gpt-oss-20b of
# tests/data/h200x1: 2880 became 2944).
WIDTH_PADDING = 128
SHARED = ".shared_expert"
"""In the names of experts that every token passes."""


def padded_vocab(shape: Shape) -> int:
    """Rows of the embedding table as vLLM allocates it."""
    return _round_up(shape.vocab_size, VOCAB_PADDING)


@lru_cache(maxsize=65536)
def weights_bytes(shape: Shape, split: Split, stage: int) -> int:
    """Weights on one GPU of pipeline stage ``stage`` (0-based), in bytes.

    Embeddings sit on the first stage, the final norm and the output head on the last; a tied
    table is held once where both are the same stage. Every stage holds the tower of what sees.
    """
    held = layer_bytes(shape, split)
    layers = stage_range(len(shape.layers), split.pipeline, stage)
    total = sum(size for i in layers for _, size in held[i])
    total += tensor_bytes(shape, shape.rotary, split)
    first, last = stage == 0, stage == split.pipeline - 1
    if first:
        total += tensor_bytes(shape, shape.embedding, split)
        total += sum(tensor_bytes(shape, tensor, split) for tensor in shape.beside)
    if last:
        total += tensor_bytes(shape, shape.norm, split)
        if not (shape.tied and first):
            total += tensor_bytes(shape, shape.head, split, shape.head_scheme)
    total = round(total * _beyond(shape)) if shape.stored_bytes else total
    return total + tower_bytes(shape, split)


DIFFERS = 0.005
"""Files and arithmetic that differ by more, as a share of the files, are not of the same model."""


@lru_cache(maxsize=4096)
def computed_bytes(shape: Shape) -> int:
    """What arithmetic says that the files hold: unpadded, without what the engine makes beside."""
    plain = replace(shape, stored_bytes=None, padded_experts=False, images=0, audios=0)
    whole, tables = Split(), 1 if shape.tied else 2
    padding = (padded_vocab(shape) - shape.vocab_size) * shape.hidden_size * tables
    if shape.embedding.sharding is not Sharding.VOCABULARY:
        padding = 0
    every = [*shape.beside, *(t for layer in shape.layers for t in layer.tensors)]
    made = [shape.rotary, *(tensor for tensor in every if not tensor.stored)]
    beside = sum(tensor_bytes(plain, tensor, whole) for tensor in made)
    held = weights_bytes(plain, whole, 0) + host_bytes(plain, whole)
    return held - beside - padding * DTYPE_BYTES[shape.dtype]


def host_bytes(shape: Shape, split: Split) -> int:
    """What each rank keeps of the weights in the memory of its host, and not on its GPU."""
    held = (tensor for layer in shape.layers for tensor in layer.tensors if tensor.in_host)
    return sum(tensor_bytes(shape, tensor, split) for tensor in held)


def difference(shape: Shape) -> float:
    """How much more the files hold than arithmetic says, a share of them; 0 within ``DIFFERS``."""
    if not shape.stored_bytes:
        return 0.0
    off = 1 - computed_bytes(shape) / shape.stored_bytes
    return off if abs(off) > DIFFERS else 0.0


@lru_cache(maxsize=4096)
def _beyond(shape: Shape) -> float:
    """What weights are multiplied by where the files hold more: the larger is planned with."""
    more = difference(shape) > 0 and shape.stored_bytes
    return more / computed_bytes(shape) if more else 1.0


@lru_cache(maxsize=4096)
def layer_bytes(shape: Shape, split: Split) -> tuple[tuple[tuple[Tensor, int], ...], ...]:
    """For each layer its tensors on the GPU, each with the bytes that one rank holds of it."""
    made: dict[tuple[int, tuple[Scheme | None, ...]], tuple[tuple[Tensor, int], ...]] = {}
    found = []
    for number, schemes, layer in zip(shape.kind_numbers, shape.schemes, shape.layers, strict=True):
        key = number, schemes
        if key not in made:
            made[key] = _held(shape, layer, schemes, split)
        found.append(made[key])
    return tuple(found)


def _held(
    shape: Shape, layer: Layer, schemes: tuple[Scheme | None, ...], split: Split
) -> tuple[tuple[Tensor, int], ...]:
    pairs = zip(layer.tensors, schemes, strict=True)
    here = [(tensor, scheme) for tensor, scheme in pairs if not tensor.in_host]
    return tuple((tensor, tensor_bytes(shape, tensor, split, scheme)) for tensor, scheme in here)


def tensor_bytes(shape: Shape, tensor: Tensor, split: Split, scheme: Scheme | None = None) -> int:
    """Bytes one rank holds of ``tensor``: its share, or all of it where it is replicated.

    ``scheme`` is how it is held where it is quantized.
    """
    if tensor.if_quantized and not scheme:
        return 0
    rows, columns, copies = _sharded(shape, tensor, split)
    if scheme and not tensor.if_quantized:
        return scheme.bytes_of(rows, columns) * copies
    return rows * columns * copies * DTYPE_BYTES[tensor.dtype or shape.dtype]


def _sharded(shape: Shape, tensor: Tensor, split: Split) -> tuple[int, int, int]:
    rows, columns, copies = tensor.rows, tensor.columns, tensor.copies
    kind, ranks = tensor.sharding, dense_ranks(tensor, split)
    if kind is Sharding.VOCABULARY:
        return _share(padded_vocab(shape), ranks), columns, copies
    if kind is Sharding.RANKS and is_row_parallel(tensor):
        return rows, _share(columns, ranks), copies
    if kind is Sharding.RANKS:
        return _share(rows, ranks), columns, copies
    if kind is Sharding.KV_HEADS:
        return _share(rows, min(ranks, shape.kv_heads)), columns, copies
    if kind is Sharding.EXPERTS:
        return _experts(shape, tensor, split)
    return rows, columns, copies


def dense_ranks(tensor: Tensor, split: Split) -> int:
    """Ranks that divide what is not routed experts'.

    Where groups of several ranks share experts, tokens are dealt to the ranks before them, and what
    every token passes is whole on each (use_sequence_parallel_moe in vllm/config/parallel.py, and
    DeepseekV2MLP's disable_tp, 0.32).
    """
    whole = tensor.sharding is Sharding.REPLICATED
    shared = split.data > 1 and SHARED in tensor.name
    return 1 if whole or shared else split.tensor


def is_row_parallel(tensor: Tensor) -> bool:
    """Whether ranks divide its inputs: those of products back to the hidden size."""
    return tensor.columns > 1 and tensor.name.rpartition(".")[2] in ROW_PARALLEL


def _experts(shape: Shape, tensor: Tensor, split: Split) -> tuple[int, int, int]:
    """The fullest rank's part of the experts: all of them in slices, or some of them whole.

    What is left of whole ones after equal shares goes one by one to the first ranks
    (determine_expert_map in vllm/model_executor/layers/fused_moe/expert_map_manager.py, 0.32).
    """
    rows, copies, slices = tensor.rows, tensor.copies, split.expert_ranks
    if split.expert_parallel:
        copies, slices = _share(copies, split.expert_ranks), 1
    if shape.padded_experts and shape.experts:
        width = shape.experts.width
        rows = rows * _round_up(_share(width, slices), WIDTH_PADDING) // width
    elif shape.least_width and shape.experts and slices > 1:
        width = shape.experts.width
        rows = rows * max(_share(width, slices), shape.least_width) // width
    else:
        rows = _share(rows, slices)
    return rows, tensor.columns, copies


def _share(size: int, ranks: int) -> int:
    return -(-size // ranks)


def _round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
