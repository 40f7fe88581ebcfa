"""Names of products: in one spelling, merged as the engine merges them."""

from __future__ import annotations

import pytest

from rackwright.models.quantization.names import Linear, linear_of, spellings, usual_name


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.3.mlp.down_proj",
        "model.language_model.layers.3.mlp.down_proj",
        "language_model.model.layers.3.mlp.down_proj",
        "language_model.layers.3.mlp.down_proj",
        "backbone.layers.3.mlp.down_proj",
        "layers.3.mlp.down_proj",
        "layers.3.feed_forward.w2",
        "model.layers.3.block_sparse_moe.down_proj",
        "layers.3.ffn.w2",
    ],
)
def test_every_spelling_of_a_name_is_brought_to_one(name: str) -> None:
    assert usual_name(name) == "model.layers.3.mlp.down_proj"


@pytest.mark.parametrize(
    ("name", "usual"),
    [
        ("lm_head", "lm_head"),
        ("language_model.lm_head", "lm_head"),
        ("backbone.layers.5.mixer.q_proj", "model.layers.5.self_attn.q_proj"),
        ("backbone.layers.5.mixer.in_proj", "model.layers.5.mixer.in_proj"),
        ("*.mlp.shared_expert.*", "*.mlp.shared_experts.*"),
        ("model.layers.1.mlp.shared_expert_gate", "model.layers.1.mlp.shared_expert_gate"),
        ("vision_tower.layers.1.mlp.fc1", "vision_tower.layers.1.mlp.fc1"),
    ],
)
def test_what_stays_apart_stays_apart(name: str, usual: str) -> None:
    assert usual_name(name) == usual


LAYER = "model.layers.2"
LINEARS = {
    "self_attn.k_proj": ("self_attn.qkv_proj", ("q_proj", "k_proj", "v_proj")),
    "mlp.up_proj": ("mlp.gate_up_proj", ("gate_proj", "up_proj")),
    "mlp.shared_experts.up_proj": ("mlp.shared_experts.gate_up_proj", ("gate_proj", "up_proj")),
    "mlp.down_proj": ("mlp.down_proj", ("down_proj",)),
    "self_attn.q_a_proj": ("self_attn.fused_qkv_a_proj", ("q_a_proj", "kv_a_proj_with_mqa")),
    "linear_attn.in_proj_qkvz": (
        "linear_attn.in_proj_qkvz",
        ("in_proj_qkv", "in_proj_z"),
    ),
}


@pytest.mark.parametrize(("name", "merged"), LINEARS.items(), ids=LINEARS)
def test_products_of_one_input_are_one_to_the_engine(
    name: str, merged: tuple[str, tuple[str, ...]]
) -> None:
    module, parts = merged
    parent = module.rpartition(".")[0]
    shards = tuple(f"{LAYER}.{parent}.{part}" for part in parts)
    assert linear_of(2, name) == Linear(f"{LAYER}.{module}", shards, f"{LAYER}.{name}")


def test_a_plain_mlp_has_nothing_to_merge() -> None:
    assert linear_of(2, "mlp.up_proj", gated=False).module == f"{LAYER}.mlp.up_proj"


@pytest.mark.parametrize("gated", [True, False])
def test_experts_are_one_module_and_go_by_the_first_one(gated: bool) -> None:
    found = linear_of(2, "mlp.experts.up_proj", gated)
    first = [f"{LAYER}.mlp.experts.0.{part}" for part in ("gate_proj", "up_proj", "down_proj")]
    assert found.routed and found.module == f"{LAYER}.mlp.experts"
    assert found.shards == tuple(first[not gated :])


def test_patterns_are_tried_with_every_spelling() -> None:
    found = spellings("model.layers.0.mlp.down_proj")
    assert found[0] == "model.layers.0.mlp.down_proj"
    for name in (
        "model.language_model.layers.0.mlp.down_proj",
        "language_model.model.layers.0.mlp.down_proj",
        "model.layers.0.block_sparse_moe.down_proj",
        "backbone.layers.0.mixer.down_proj",
    ):
        assert name in found
