"""What MiniMax M3 keeps and how its indexer is split, and what is wrong with its lists."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models import Shape, read_shape
from rackwright.sizing import BLOCK_TOKENS, Split, kv_bytes_per_token, tensor_bytes
from rackwright.sizing.kv_cache import block_bytes
from tests.samples.configs import KV_HEADS, M3, D, E, H, usual

NAME = "MiniMaxM3SparseForCausalLM"
EACH = KV_HEADS * 2 * D * 2
"""Bytes of a token's keys and values in a layer."""


def shape_of(**more: Any) -> Shape:
    return read_shape({**usual(NAME), **more})


def inside(**more: Any) -> dict[str, Any]:
    return {"sparse_attention_config": {**M3["sparse_attention_config"], **more}}


def test_layers_that_pick_keep_one_key_more_whole_on_every_rank() -> None:
    shape = shape_of()
    assert kv_bytes_per_token(shape, Split(), 0) == 4 * EACH + 3 * 16 * 2
    assert kv_bytes_per_token(shape, Split(2), 0) == 4 * EACH // 2 + 3 * 16 * 2
    assert kv_bytes_per_token(shape, Split(), 0, "fp8") == 4 * EACH // 2 + 3 * 16 * 2


def test_layers_that_keep_every_token_are_one_group_whatever_they_keep() -> None:
    size = BLOCK_TOKENS * (4 * EACH + 3 * 16 * 2)
    assert block_bytes(shape_of(), Split(), 0, "auto") == size
    assert block_bytes(shape_of(), Split(1, 2), 0, "auto") == BLOCK_TOKENS * (2 * EACH + 16 * 2)


def test_queries_of_the_indexer_go_with_the_kv_heads_and_its_key_is_whole() -> None:
    shape = shape_of()
    held = {t.name: tensor_bytes(shape, t, Split(4)) for t in shape.layers[1].tensors}
    assert held["self_attn.index_q_proj"] == 16 * H * 2
    assert held["self_attn.index_k_proj"] == 16 * H * 2
    assert held["mlp.gate"] == E * H * 4


def test_only_a_part_of_each_head_is_turned() -> None:
    assert shape_of().rotary.elements == 512 * 12
    assert shape_of(rotary_dim=None).rotary.elements == 512 * D


def test_all_layers_have_experts_where_nothing_is_said() -> None:
    assert all(layer.experts for layer in shape_of(moe_layer_freq=None).layers)


def test_a_router_without_a_bias_has_none() -> None:
    assert shape_of().parameters - shape_of(use_routing_bias=False).parameters == 3 * E


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"moe_layer_freq": [0, 1]}, "moe_layer_freq"),
        ({"moe_layer_freq": [0, 1, 1, [1]]}, "moe_layer_freq"),
        ({"sparse_attention_config": None}, "sparse_attention_config"),
        (inside(sparse_attention_freq=None), "sparse_attention_config.sparse_attention_freq"),
        (inside(sparse_num_index_heads=3), "sparse_attention_config.sparse_num_index_heads"),
        (inside(sparse_index_dim=None), "sparse_attention_config.sparse_index_dim"),
    ],
)
def test_what_is_wrong_with_it_is_said_by_its_key(more: dict[str, Any], path: str) -> None:
    with pytest.raises(SpecError) as refused:
        shape_of(**more)
    assert refused.value.faults[0].path == f"config.{path}"
