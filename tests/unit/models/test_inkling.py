"""Inkling: its release's elements, the cache of its convolutions, what ranks must divide."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models import Shape, read_shape
from rackwright.planning.splitting import indivisible
from rackwright.sizing import Split
from tests.samples.configs import D, H, L, usual

RELEASED: dict[str, Any] = {
    "vocab_size": 201024,
    "hidden_size": 6144,
    "num_hidden_layers": 66,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "swa_num_key_value_heads": 16,
    "local_layer_ids": [layer for layer in range(66) if (layer + 1) % 6],
    "dense_mlp_idx": 2,
    "dense_intermediate_size": 24576,
    "intermediate_size": 3072,
    "n_routed_experts": 256,
    "num_experts_per_tok": 6,
    "n_shared_experts": 2,
    "use_embed_norm": True,
    "use_gate_bias": True,
    "use_global_scale": True,
    "model_max_length": 1048576,
}


def shape(**more: Any) -> Shape:
    return read_shape({**usual("InklingForCausalLM"), **more})


def released(**more: Any) -> Shape:
    name = "InklingForConditionalGeneration"
    return read_shape({"architectures": [name], "text_config": {**RELEASED, **more}})


def test_the_release_has_the_elements_that_its_class_counts() -> None:
    """Transformers 5.24 on ``meta``, without what sees and hears."""
    assert released().parameters == 947_025_564_226


def test_as_transformers_saves_it_widths_have_other_names() -> None:
    saved = {"dense_intermediate_size": None, "intermediate_size": 24576}
    again = released(**saved, moe_intermediate_size=3072)
    assert again.parameters == released().parameters


def test_each_layer_keeps_what_it_convolved_beside_keys_and_values() -> None:
    """Keys, values and two outputs by KV heads, padded to a power of two: 2 * 24 + 2 * 32."""
    layers = shape().layers
    assert len(layers) == 2 * L
    kept = [(layer.kv.heads, layer.kv.elements, layer.kv.window) for layer in layers]
    assert kept == [(2, 128, 4), (2, 2 * D, 5)] * 3 + [(2, 128, 4), (2, 2 * D, None)]
    assert 2 * D + 2 * (H // 2) <= 128


def test_no_more_ranks_than_kv_heads() -> None:
    assert [indivisible(Split(ranks), released()) for ranks in (1, 2, 4, 8)] == [""] * 4
    assert "KV heads 8" in indivisible(Split(16), released())


def test_what_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SpecError, match="n_routed_experts: is required") as caught:
        shape(n_routed_experts=None, swa_head_dim=-1)
    assert "swa_head_dim" in str(caught.value)
