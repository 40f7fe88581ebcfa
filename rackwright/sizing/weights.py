"""Bytes of weights on each GPU, tensor by tensor."""

from __future__ import annotations

from functools import lru_cache

from rackwright.models import DTYPE_BYTES, Shape, Sharding, Tensor
from rackwright.sizing.split import Split, stage_range

# vLLM pads the vocabulary to a multiple of 64 (DEFAULT_VOCAB_PADDING_SIZE).
VOCAB_PADDING = 64
# Widths of experts that kernels pad: each rank's to a multiple of 128 (gpt-oss-20b of
# tests/data/h200x1: 2880 became 2944).
WIDTH_PADDING = 128


def padded_vocab(shape: Shape) -> int:
    """Rows of the embedding table as vLLM allocates it."""
    return _round_up(shape.vocab_size, VOCAB_PADDING)


@lru_cache(maxsize=65536)
def weights_bytes(shape: Shape, split: Split, stage: int) -> int:
    """Weights on one GPU of pipeline stage ``stage`` (0-based), in bytes.

    Embeddings sit on the first stage, the final norm and the output head on the last; a tied
    table is held once where both are the same stage.
    """
    held = layer_bytes(shape, split)
    layers = stage_range(len(shape.layers), split.pipeline, stage)
    total = sum(size for i in layers for _, size in held[i])
    total += tensor_bytes(shape, shape.rotary, split)
    first, last = stage == 0, stage == split.pipeline - 1
    if first:
        total += tensor_bytes(shape, shape.embedding, split)
    if last:
        total += tensor_bytes(shape, shape.norm, split)
        if not (shape.tied and first):
            total += tensor_bytes(shape, shape.head, split)
    return total


@lru_cache(maxsize=4096)
def layer_bytes(shape: Shape, split: Split) -> tuple[tuple[tuple[Tensor, int], ...], ...]:
    """For each layer its tensors, each with the bytes that one rank holds of it."""
    alike = not (shape.quantization and shape.quantization.kept)
    made: dict[int, tuple[tuple[Tensor, int], ...]] = {}
    keys = shape.kind_numbers if alike else range(len(shape.layers))
    for number, (key, layer) in enumerate(zip(keys, shape.layers, strict=True)):
        if key not in made:
            made[key] = tuple(
                (tensor, tensor_bytes(shape, tensor, split, number)) for tensor in layer.tensors
            )
    return tuple(made[key] for key in keys)


def tensor_bytes(shape: Shape, tensor: Tensor, split: Split, layer: int = 0) -> int:
    """Bytes one rank holds of ``tensor``: its share, or all of it where it is replicated."""
    quantization = shape.quantization
    if tensor.if_quantized and not quantization:
        return 0
    rows, columns, copies = _sharded(shape, tensor, split)
    if quantization and tensor.quantizable and quantization.covers(_full_name(tensor, layer)):
        return quantization.bytes_of(rows, columns) * copies
    return rows * columns * copies * DTYPE_BYTES[tensor.dtype or shape.dtype]


def _full_name(tensor: Tensor, layer: int) -> str:
    name = tensor.name.replace(".experts.", ".experts.0.")
    return f"model.layers.{layer}.{name}"


def _sharded(shape: Shape, tensor: Tensor, split: Split) -> tuple[int, int, int]:
    rows, columns, copies, ranks = tensor.rows, tensor.columns, tensor.copies, split.tensor
    kind = tensor.sharding
    if kind is Sharding.VOCABULARY:
        return _share(padded_vocab(shape), ranks), columns, copies
    if kind is Sharding.RANKS:
        return _share(rows, ranks), columns, copies
    if kind is Sharding.KV_HEADS:
        return _share(rows, min(ranks, shape.kv_heads)), columns, copies
    if kind is Sharding.EXPERTS:
        return _experts(shape, tensor, split)
    return rows, columns, copies


def _experts(shape: Shape, tensor: Tensor, split: Split) -> tuple[int, int, int]:
    """A rank's part of the experts: all of them in slices, or some of them whole."""
    rows, copies, slices = tensor.rows, tensor.copies, split.tensor
    if split.expert_parallel:
        copies, slices = _share(copies, split.tensor), 1
    if shape.padded_experts and shape.experts:
        width = shape.experts.width
        rows = rows * _round_up(_share(width, slices), WIDTH_PADDING) // width
    else:
        rows = _share(rows, slices)
    return rows, tensor.columns, copies


def _share(size: int, ranks: int) -> int:
    return -(-size // ranks)


def _round_up(size: int, multiple: int) -> int:
    return -(-size // multiple) * multiple
