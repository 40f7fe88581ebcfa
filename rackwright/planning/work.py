"""What a token costs one GPU of a pipeline stage: bytes, floating point operations, launches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from rackwright.models import DTYPE_BYTES, Layer, Shape, Sharding, Tensor
from rackwright.sizing import Split, tensor_bytes
from rackwright.sizing.kv_cache import layer_kv_bytes
from rackwright.sizing.split import stage_range
from rackwright.sizing.weights import layer_bytes


class Work(NamedTuple):
    """What one GPU of a stage does for a step, and for each token of it.

    A step reads ``read_bytes`` of weights, and of the experts' ``expert_bytes`` those that its
    tokens choose: each token ``active_share``. A token takes ``flops`` in dense products,
    ``expert_flops`` in experts, ``attention_flops`` for each token that it looks back at, and
    moves ``moved_bytes`` between products. ``kv_bytes`` are kept of it, by the windows of layers.
    """

    read_bytes: int
    expert_bytes: int
    active_share: float
    flops: float
    expert_flops: float
    attention_flops: float
    moved_bytes: float
    kv_bytes: tuple[tuple[int | None, int], ...]
    layers: int
    expert_layers: int
    latent_layers: int


@lru_cache(maxsize=65536)
def work_of(shape: Shape, split: Split, stage: int, kv_cache_dtype: str) -> Work:
    """The work of each GPU of pipeline stage ``stage`` (0-based)."""
    numbers = stage_range(len(shape.layers), split.pipeline, stage)
    layers, held = [shape.layers[i] for i in numbers], layer_bytes(shape, split)
    read = expert_read = 0
    flops = expert_flops = attention = moved = 0.0
    share, kv = 1.0, dict.fromkeys({layer.kv.window for layer in layers}, 0)
    known: dict[tuple[int, int], _Added] = {}  # equal layers are one and the same value
    for number, layer in zip(numbers, layers, strict=True):
        key = (id(layer), id(held[number]))
        if key not in known:
            known[key] = _added(shape, layer, held[number], split, kv_cache_dtype)
        one = known[key]
        share = one.share if one.share is not None else share
        read, expert_read = read + one.read, expert_read + one.expert_read
        for term in one.flops:
            flops += term
        for term in one.expert_flops:
            expert_flops += term
        for term in one.moved:
            moved += term
        attention += one.attention
        kv[layer.kv.window] += one.kv
    if stage == split.pipeline - 1:
        read += tensor_bytes(shape, shape.head, split)
    return Work(
        read,
        expert_read,
        share,
        flops,
        expert_flops,
        attention,
        moved * DTYPE_BYTES[shape.dtype],
        tuple(kv.items()),
        len(layers),
        sum(layer.experts is not None for layer in layers),
        sum(layer.kv.latent for layer in layers),
    )


class _Added(NamedTuple):
    """What one layer adds to the work of its stage, in the order in which it is summed up."""

    read: int
    expert_read: int
    share: float | None
    flops: tuple[float, ...]
    expert_flops: tuple[float, ...]
    moved: tuple[float, ...]
    attention: float
    kv: int


def _added(
    shape: Shape,
    layer: Layer,
    held: Sequence[tuple[Tensor, int]],
    split: Split,
    kv_cache_dtype: str,
) -> _Added:
    experts = layer.experts
    share = experts.active / experts.count if experts else 1.0
    of_experts = [bool(experts) and tensor.sharding is Sharding.EXPERTS for tensor, _ in held]
    pairs = list(zip(held, of_experts, strict=True))
    routed = [one for one, is_routed in pairs if is_routed]
    plain = [one for one, is_routed in pairs if not is_routed and one[0].stored]
    return _Added(
        read=sum(size for _, size in plain),
        expert_read=sum(size for _, size in routed),
        share=share if routed else None,
        flops=tuple(2 * tensor.elements / _ranks(tensor, split) for tensor, _ in plain),
        expert_flops=tuple(2 * tensor.elements * share / split.tensor for tensor, _ in routed),
        moved=(
            *(_moved(shape, tensor, split) for tensor, _ in plain),
            _moved_by_experts(shape, layer, split),
        ),
        attention=4 * layer.query_width / split.tensor,
        kv=layer_kv_bytes(shape, layer.kv, split, kv_cache_dtype),
    )


def _moved(shape: Shape, tensor: Tensor, split: Split) -> float:
    """Elements of a token that kernels beside a product write for it and read of it.

    The engine joins products of the same input; the residual is moved about as often as that
    saves. One side of a divided matrix is the hidden states, which every rank has whole.
    """
    if tensor.columns == 1:
        return 0.0
    sides, ranks = tensor.rows + tensor.columns, _ranks(tensor, split)
    whole = shape.hidden_size if shape.hidden_size in (tensor.rows, tensor.columns) else 0
    return whole + (sides - whole) / ranks


def _moved_by_experts(shape: Shape, layer: Layer, split: Split) -> float:
    """Elements that a token moves through its experts: between products, and while summing up.

    The answers of all experts are as wide on every rank, however the experts are divided.
    """
    if layer.experts is None:
        return 0.0
    whole, width = 2 * shape.hidden_size, 3 * layer.experts.width
    return layer.experts.active * (whole + width / split.tensor)


def _ranks(tensor: Tensor, split: Split) -> int:
    return 1 if tensor.sharding is Sharding.REPLICATED else split.tensor
