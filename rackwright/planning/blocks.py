"""Whether ranks can share what is quantized in blocks and groups, by the engine's own checks.

Their places are named beside each scheme (rackwright/models/quantization/scheme.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from rackwright.models import Scheme, Shape, Sharding, Tensor
from rackwright.sizing import Split, is_row_parallel

CALLED = {
    "mlp.down_proj": "MLP width",
    "mlp.up_proj": "MLP width",
    "mlp.shared_experts.down_proj": "shared expert width",
    "mlp.shared_experts.up_proj": "shared expert width",
}
"""What a product's divided side is called, where it has a name of its own."""
PADDED = frozenset({"Dots3NoteForCausalLM"})
"""Whose MLPs, and shared experts, are padded until each rank has whole blocks (_padded_mlp_size in
vllm/models/dots3_note/nvidia/model.py, 0.32)."""
JOINED = frozenset(
    {"q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "in_proj_qkvz", "in_proj"}
)
"""Products that the engine merges with others, or into one of several parts."""


@lru_cache(maxsize=4096)
def uneven_blocks(split: Split, shape: Shape) -> str:
    """Which part of a product is no whole number of its blocks; empty where all are."""
    padded = CALLED if shape.architecture in PADDED else ()
    for tensor, scheme in _quantized(shape):
        if tensor.name in padded:
            continue
        if reason := _uneven(tensor, scheme, split, shape):
            return reason
    return ""


def _quantized(shape: Shape) -> Iterator[tuple[Tensor, Scheme]]:
    """Each product once that is held in some blocks; experts last, they are what usually fails."""
    found: dict[tuple[Tensor, Scheme], None] = {}
    for layer, schemes in zip(shape.layers, shape.schemes, strict=True):
        for tensor, scheme in zip(layer.tensors, schemes, strict=True):
            if scheme and not tensor.if_quantized:
                found[tensor, scheme] = None
    yield from sorted(found, key=_order)


def _order(pair: tuple[Tensor, Scheme]) -> bool:
    return pair[0].name not in CALLED


def _uneven(tensor: Tensor, scheme: Scheme, split: Split, shape: Shape) -> str:
    if tensor.sharding is Sharding.EXPERTS:
        width = shape.experts.width if shape.experts else 0
        slices = 1 if split.expert_parallel else split.tensor
        return _reason("expert width", width, slices, scheme.widths)
    return _inputs(tensor, scheme, split) or _outputs(tensor, scheme, split, shape)


def _inputs(tensor: Tensor, scheme: Scheme, split: Split) -> str:
    """Groups must be whole in every product but where one covers all inputs.

    Blocks are only asked for where ranks divide the inputs.
    """
    divided = tensor.sharding is Sharding.RANKS and is_row_parallel(tensor)
    ranks = split.tensor if divided else 1
    if (scheme.group_rows > 1 and ranks == 1) or scheme.inputs >= tensor.columns:
        return ""
    called = CALLED.get(tensor.name) if divided else None
    called = called or f"{tensor.name}'s input"
    return _reason(called, tensor.columns, ranks, scheme.inputs)


def _outputs(tensor: Tensor, scheme: Scheme, split: Split, shape: Shape) -> str:
    ranks = split.tensor
    if tensor.sharding is Sharding.REPLICATED or is_row_parallel(tensor) or ranks == 1:
        return ""
    if not scheme.merged and tensor.name.rpartition(".")[2] in JOINED:
        return ""
    parts = min(ranks, shape.kv_heads) if tensor.sharding is Sharding.KV_HEADS else ranks
    return _reason(CALLED.get(tensor.name, tensor.name), tensor.rows, parts, scheme.outputs)


def _reason(called: str, width: int, parts: int, multiple: int) -> str:
    if multiple == 1 or (width % parts == 0 and width // parts % multiple == 0):
        return ""
    divided = f"{width} divided by {parts}" if parts > 1 else f"{width}"
    return f"{called} {divided} is no multiple of the quantization's blocks of {multiple}"
