"""What seeing takes of a GPU: the tower, its activations, and what it keeps for the text model.

vLLM 0.32: towers are made on every stage, and run on the first (``profile_run`` in
v1/worker/gpu/model_runner.py). The budget of a step is ``compute_mm_encoder_budget``
(v1/core/encoder_cache_manager.py); as many of the largest images as it holds are encoded while
memory is profiled (``MultiModalBudget``, multimodal/encoder_budget.py), and their outputs are kept
while the text model is. Activations are counted from the products of a block, an estimate that no
run has been compared with.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from rackwright.models import DTYPE_BYTES, Shape, Sharding, Tower
from rackwright.sizing.split import Limits, Split

BLOCK_ROWS = 2
"""Rows of hidden size beside the widest moment of a block: what is added to, and its norm."""
ATTENTION_ROWS = 7
"""Queries, keys and values as one product, once more each with positions, and the sum."""


class Seeing(NamedTuple):
    """Bytes on one GPU: at the widest moment, kept behind it, and what stands from the start."""

    peak_bytes: int
    kept_bytes: int
    standing_bytes: int


@lru_cache(maxsize=4096)
def tower_bytes(shape: Shape, split: Split) -> int:
    """Tower and projector on one rank, in the model's dtype: quantized ones are not counted on."""
    if not (shape.images and shape.tower):
        return 0
    return DTYPE_BYTES[shape.dtype] * sum(
        -(-tensor.elements // (1 if tensor.sharding is Sharding.REPLICATED else split.tensor))
        for tensor in shape.tower.tensors
    )


def budget_tokens(tower: Tower, limits: Limits) -> int:
    """Tokens of images in one step, and in the encoder's cache."""
    return max(limits.max_num_batched_tokens, tower.tokens)


def images_at_once(tower: Tower, images: int, limits: Limits) -> int:
    """How many of the largest images are encoded at once."""
    a_prompt = max(1, min(images, limits.max_model_len // tower.tokens))
    return max(1, min(budget_tokens(tower, limits) // tower.tokens, limits.max_num_seqs * a_prompt))


def seeing(shape: Shape, split: Split, limits: Limits, stage: int) -> Seeing:
    """What a stage needs beside weights; zeros where the model is served as text."""
    tower = shape.tower
    if not (shape.images and tower):
        return Seeing(0, 0, 0)
    row = shape.hidden_size * DTYPE_BYTES[shape.dtype]
    levels = tower.levels * limits.max_num_batched_tokens * row
    if stage:
        return Seeing(0, 0, levels)
    many = images_at_once(tower, shape.images, limits)
    peak = many * tower.patches * _widest(tower, split) * DTYPE_BYTES[shape.dtype]
    kept = many * tower.tokens * (1 + tower.levels) * row
    return Seeing(round(peak), kept, levels + limits.max_num_batched_tokens * row)


def _widest(tower: Tower, split: Split) -> float:
    """Elements of a patch: its pixels, and attention or the MLP of one block."""
    attention = ATTENTION_ROWS * tower.hidden / split.tensor
    mlp = (3 if tower.gated else 2) * tower.width / split.tensor + tower.hidden
    return tower.inputs + BLOCK_ROWS * tower.hidden + max(attention, mlp)
