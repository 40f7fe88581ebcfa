"""Figures given by hand instead of a config: they size to themselves."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.models import Figures, Shape, shape_by_hand
from rackwright.sizing import GIB, Split, kv_bytes_per_token, weights_bytes
from tests.samples.configs import (
    Config,
)

FIGURES: Config = {
    "weights_gib": 10.0,
    "kv_bytes_per_token": 2 * 12 * 8 * 128 * 2,
    "activation_gib": 1.5,
    "num_hidden_layers": 12,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 4096,
    "vocab_size": 32000,
    "max_position_embeddings": 8192,
}


def by_hand(**more: Any) -> Shape:
    return shape_by_hand(Figures(**FIGURES | more))


def test_figures_by_hand_size_to_themselves() -> None:
    shape = by_hand(replicated_gib=0.5)
    assert weights_bytes(shape, Split(), 0) == pytest.approx(10 * GIB, rel=1e-5)
    assert weights_bytes(shape, Split(), 0) >= 10 * GIB
    assert kv_bytes_per_token(shape, Split(), 0) == FIGURES["kv_bytes_per_token"]
    assert shape.activation_bytes == 1.5 * GIB
    assert (shape.heads, shape.kv_heads) == (32, 8)


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_ranks_share_what_is_not_replicated(ranks: int) -> None:
    shape = by_hand(replicated_gib=0.5)
    each = weights_bytes(shape, Split(ranks), 0)
    assert each == pytest.approx((9.5 / ranks + 0.5) * GIB, rel=1e-5)
    assert kv_bytes_per_token(shape, Split(ranks), 0) == FIGURES["kv_bytes_per_token"] / ranks


@pytest.mark.parametrize("stages", [2, 3, 6])
def test_stages_share_all_but_the_tables(stages: int) -> None:
    shape = by_hand(replicated_gib=0.5)
    split = Split(1, stages)
    all_of_them = [weights_bytes(shape, split, stage) for stage in range(stages)]
    assert sum(all_of_them) == pytest.approx(10 * GIB, rel=1e-5)
    kept = [kv_bytes_per_token(shape, split, stage) for stage in range(stages)]
    assert sum(kept) == FIGURES["kv_bytes_per_token"]


def test_a_latent_cache_by_hand_is_whole_on_every_rank() -> None:
    shape = by_hand(latent_kv=True, kv_bytes_per_token=12 * 576 * 2)
    assert kv_bytes_per_token(shape, Split(8), 0) == 12 * 576 * 2
    assert shape.kv_heads == 1


def test_what_does_not_divide_over_layers_is_never_too_small() -> None:
    shape = by_hand(num_hidden_layers=7, weights_gib=3.3, kv_bytes_per_token=1001)
    assert 0 <= weights_bytes(shape, Split(), 0) - 3.3 * GIB <= 7 * 2 + 2 * 4096 + 1
    assert 1001 <= kv_bytes_per_token(shape, Split(), 0) < 1001 + 8 * 7 * 2


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"weights_gib": 0.1}, "weights_gib above replicated_gib and both embedding tables"),
        ({"replicated_gib": 10.0}, "weights_gib above replicated_gib and both embedding tables"),
        ({"num_key_value_heads": 5}, "num_attention_heads divisible by num_key_value_heads"),
        ({"weights_gib": 0}, "greater than 0"),
        ({"activation_gib": -1}, "greater than 0"),
        ({"num_hidden_layers": 0}, "greater than or equal to 1"),
        ({"num_hidden_layers": 10_000_000}, "less than or equal to"),
        ({"kv_bytes_per_token": 1.5}, "valid integer"),
        ({"layers": 3}, "not permitted"),
        ({"weights_gib": float("nan")}, "weights_gib"),
        ({"replicated_gib": float("nan")}, "replicated_gib"),
        ({"activation_gib": float("inf")}, "activation_gib"),
    ],
)
def test_figures_that_contradict_each_other_are_refused(more: Config, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Figures(**FIGURES | more)
