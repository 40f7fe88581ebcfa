"""What a token costs one GPU of a pipeline stage: bytes, floating point operations, launches."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from rackwright.models import DTYPE_BYTES, Experts, KvCache, Layer, Shape, Sharding, Tensor
from rackwright.sizing import Split, tensor_bytes
from rackwright.sizing.kv_cache import layer_kv_bytes
from rackwright.sizing.split import stage_range
from rackwright.sizing.weights import dense_ranks, layer_bytes


class Work(NamedTuple):
    """What one GPU of a stage does for a step, and for each token of it: the fullest one.

    A step reads ``read_bytes`` of weights, and of the experts' ``expert_bytes`` those that its
    tokens choose: each token ``active_share``. A token takes ``flops`` in dense products,
    ``expert_flops`` in experts, ``attention_flops`` for each token that it looks back at, and
    moves ``moved_bytes`` between products, ``expert_moved_bytes`` between those of experts.
    ``kv_bytes`` are read of each token that it looks back at, by the windows of layers, and
    ``latent_flops`` done where that is latent. Of each request ``state_bytes`` are kept instead of
    tokens, by ``state_layers``. Of data parallel groups a rank does what the experts
    take for the tokens of all, the rest for those of its own.
    """

    read_bytes: int
    expert_bytes: int
    active_share: float
    flops: float
    expert_flops: float
    attention_flops: float
    moved_bytes: float
    expert_moved_bytes: float
    kv_bytes: tuple[tuple[int | None, float], ...]
    latent_flops: float
    layers: int
    expert_layers: int
    latent_layers: int
    state_bytes: float
    state_layers: int


@lru_cache(maxsize=65536)
def first_alike(shape: Shape, split: Split, kv_cache_dtype: str) -> tuple[int, ...]:
    """For each stage the first that does the same work: a pipeline of sixteen has few kinds."""
    last, firsts = split.pipeline - 1, dict[tuple[Work, bool], int]()
    works = [work_of(shape, split, stage, kv_cache_dtype) for stage in range(split.pipeline)]
    return tuple(
        firsts.setdefault((work, stage == last), stage) for stage, work in enumerate(works)
    )


@lru_cache(maxsize=65536)
def work_of(shape: Shape, split: Split, stage: int, kv_cache_dtype: str) -> Work:
    """The work of each GPU of pipeline stage ``stage`` (0-based)."""
    numbers = stage_range(len(shape.layers), split.pipeline, stage)
    layers, held = [shape.layers[i] for i in numbers], layer_bytes(shape, split)
    read = expert_read = 0
    flops = expert_flops = attention = moved = expert_moved = latent = 0.0
    share, kv = 1.0, dict.fromkeys({layer.kv.window for layer in layers}, 0.0)
    # A rank does the same in every layer of a kind, however many stages there are.
    done: dict[tuple[int, int], _LayerWork] = {}
    for number, layer in zip(numbers, layers, strict=True):
        weights = held[_weighty(shape, number)]
        key = shape.kind_numbers[number], id(weights)
        if key not in done:
            done[key] = _layer_work(shape, layer, weights, split)
        own = done[key]
        share = own.share or share
        read, expert_read = read + own.read, expert_read + own.expert_read
        flops, expert_flops = flops + own.flops, expert_flops + own.expert_flops
        moved, expert_moved = moved + own.moved, expert_moved + own.expert_moved
        attention += 4 * layer.query_width / split.tensor
        if _all_is_read(layer.kv):  # queries and sums of every head, as wide as what is kept
            latent += 4 * shape.heads / split.tensor * layer.kv.elements
        each = layer_kv_bytes(shape, layer.kv, split, kv_cache_dtype)
        kv[layer.kv.window] += each / split.context
    if stage == split.pipeline - 1:
        read += tensor_bytes(shape, shape.head, split, shape.head_scheme)
    return Work(
        read,
        expert_read,
        share,
        flops,
        expert_flops,
        attention,
        moved * DTYPE_BYTES[shape.dtype],
        expert_moved * DTYPE_BYTES[shape.dtype],
        tuple(kv.items()),
        latent,
        len(layers),
        sum(layer.experts is not None for layer in layers),
        sum(layer.kv.latent for layer in layers),
        sum(layer.kv.state_bytes for layer in layers) / split.tensor,
        sum(layer.kv.state_bytes > 0 for layer in layers),
    )


def _weighty(shape: Shape, number: int) -> int:
    """The layer that holds the weights of one: itself, but where a token passes it again."""
    while back := shape.layers[number].back:
        number -= back
    return number


def _all_is_read(kv: KvCache) -> bool:
    """Whether it is a latent cache that no indexer chooses of, and no window ends."""
    return kv.latent and not (kv.beside_bytes or kv.pages or kv.window)


class _LayerWork(NamedTuple):
    """One layer's part of ``Work``. ``share`` is 0 where it has no experts."""

    read: int
    expert_read: int
    share: float
    flops: float
    expert_flops: float
    moved: float
    expert_moved: float


def _layer_work(
    shape: Shape, layer: Layer, held: tuple[tuple[Tensor, int], ...], split: Split
) -> _LayerWork:
    read = expert_read = 0
    flops = expert_flops = moved = share = 0.0
    for tensor, size in held:
        if tensor.sharding is Sharding.EXPERTS and layer.experts:
            share = layer.experts.active / layer.experts.count
            expert_read += size
            expert_flops += 2 * tensor.elements * share * _of_experts(layer.experts, split)
        elif tensor.stored:
            read += size
            flops += 2 * tensor.elements / dense_ranks(tensor, split)
            moved += _moved(shape, tensor, split)
    by_experts = _moved_by_experts(shape, layer, split)
    return _LayerWork(read, expert_read, share, flops, expert_flops, moved, by_experts)


def _of_experts(experts: Experts, split: Split) -> float:
    """The fullest rank's share of what experts take: of 60 on 8 ranks the first 4 have 8."""
    if split.expert_parallel:
        return -(-experts.count // split.expert_ranks) / experts.count
    return 1 / split.expert_ranks


def _moved(shape: Shape, tensor: Tensor, split: Split) -> float:
    """Elements of a token that kernels beside a product write for it and read of it.

    The engine joins products of the same input; the residual is moved about as often as that
    saves. One side of a divided matrix is the hidden states, which every rank has whole.
    """
    if tensor.columns == 1:
        return 0.0
    sides, ranks = tensor.rows + tensor.columns, dense_ranks(tensor, split)
    whole = shape.hidden_size if shape.hidden_size in (tensor.rows, tensor.columns) else 0
    return whole + (sides - whole) / ranks


def _moved_by_experts(shape: Shape, layer: Layer, split: Split) -> float:
    """Elements that a token moves through its experts: between products, and while summing up.

    The answers of all experts are as wide on every rank, however the experts are divided.
    """
    if layer.experts is None:
        return 0.0
    whole, width = 2 * shape.hidden_size, 3 * layer.experts.width
    return layer.experts.active * (whole + width / split.expert_ranks)
