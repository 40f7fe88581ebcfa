"""What seeing and hearing take of a GPU: towers, activations, what is kept for the text model.

vLLM 0.32: towers are made on every stage, and run on the first (``profile_run`` in
v1/worker/gpu/model_runner.py). The budget of a step is ``compute_mm_encoder_budget``
(v1/core/encoder_cache_manager.py); as many of the largest images as it holds (or sounds, where
those have more tokens) are encoded while memory is profiled (``MultiModalBudget``,
multimodal/encoder_budget.py), and their outputs are kept while the text model is. Activations are
counted from the products of a block, an estimate: two runs were within 9 % of it (Gemma 3 12B,
Qwen3-VL 8B, tests/data/h100x2).
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
    """Towers on one rank, in the model's dtype: quantized ones are not counted on."""
    return sum(
        DTYPE_BYTES[tensor.dtype or shape.dtype]
        * -(-tensor.elements // (1 if tensor.sharding is Sharding.REPLICATED else ranks))
        for tower, _ in shape.towers
        for ranks in (tower.ranks(split.tensor),)
        for tensor in tower.tensors
    )


def largest(shape: Shape) -> tuple[Tower, int] | None:
    """The tower whose items have the most tokens, and how many a prompt may have."""
    return max(shape.towers, key=lambda used: used[0].tokens, default=None)


def budget_tokens(tower: Tower, limits: Limits) -> int:
    """Tokens of images in one step, and in the encoder's cache."""
    return max(limits.max_num_batched_tokens, tower.tokens)


def images_at_once(tower: Tower, images: int, limits: Limits) -> int:
    """How many of the largest images are encoded at once."""
    a_prompt = max(1, min(images, limits.max_model_len // tower.tokens))
    return max(1, min(budget_tokens(tower, limits) // tower.tokens, limits.max_num_seqs * a_prompt))


def seeing(shape: Shape, split: Split, limits: Limits, stage: int) -> Seeing:
    """What a stage needs beside weights; zeros where the model is served as text."""
    used = largest(shape)
    if not used:
        return Seeing(0, 0, 0)
    tower, a_prompt = used
    row = shape.hidden_size * DTYPE_BYTES[shape.dtype]
    levels = max(each.levels for each, _ in shape.towers) * limits.max_num_batched_tokens * row
    if stage:
        return Seeing(0, 0, levels)
    many = images_at_once(tower, a_prompt, limits)
    peak = many * tower.patches * _widest(tower, split) * DTYPE_BYTES[shape.dtype]
    kept = many * tower.tokens * (1 + tower.levels) * row
    return Seeing(round(peak), kept, levels + limits.max_num_batched_tokens * row)


def _widest(tower: Tower, split: Split) -> float:
    """Elements of a patch: its pixels, and attention or the MLP of one block."""
    ranks = tower.ranks(split.tensor)
    attention = ATTENTION_ROWS * tower.hidden / ranks
    mlp = (3 if tower.gated else 2) * tower.width / ranks + tower.hidden
    return tower.inputs + BLOCK_ROWS * tower.hidden + max(attention, mlp)
