"""Configs as transformers 5 saves what it read: keys and kinds of layers by their newer names."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models import FAMILIES, read_shape
from tests.samples.configs import BASE, usual

RENAMED = {"mamba": "linear_attention", "attention": "full_attention"}
"""As remap_legacy_layer_types of transformers 5 does it."""


def resaved(values: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    return {new if key == old else key: value for key, value in values.items()}


def alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two configs are of the same model, by all that is read of them."""
    return repr(read_shape(one)) == repr(read_shape(other))


@pytest.mark.parametrize("new", ["num_local_experts", "num_experts", "n_routed_experts"])
@pytest.mark.parametrize(
    "name", ["Qwen3MoeForCausalLM", "MixtralForCausalLM", "Glm4MoeForCausalLM", "GptOssForCausalLM"]
)
def test_experts_are_counted_by_any_name(name: str, new: str) -> None:
    values = usual(name)
    again = resaved(values, FAMILIES[name].experts, new)
    assert alike(again, values)


def test_chosen_experts_go_by_any_name() -> None:
    values = usual("HunYuanMoEV1ForCausalLM")
    again = resaved(values, "moe_topk", "num_experts_per_tok")
    assert alike(again, values)


def test_missing_experts_are_one_fault_by_the_makers_name() -> None:
    values = usual("Qwen3MoeForCausalLM")
    del values["num_experts"]
    with pytest.raises(SpecError) as caught:
        read_shape(values)
    (fault,) = caught.value.faults
    assert (fault.path, fault.rule) == ("config.num_experts", "is required")


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("GraniteMoeHybridForCausalLM", "layer_types"),
        ("NemotronHForCausalLM", "layers_block_type"),
    ],
)
def test_layers_with_states_are_called_linear_attention(name: str, key: str) -> None:
    values = usual(name)
    kinds = values.get(key) or ["mamba", "attention", "mlp", "mamba"]
    before = {**values, key: kinds, "num_hidden_layers": len(kinds)}
    after = {**before, key: [RENAMED.get(kind, kind) for kind in kinds]}
    assert alike(after, before)


def test_layers_that_an_indexer_chooses_for_go_by_two_names() -> None:
    values = usual("GlmMoeDsaForCausalLM")
    count = values["num_hidden_layers"]
    before = {**values, "layer_types": ["deepseek_sparse_attention"] * count}
    after = {**values, "layer_types": ["indexed_attention"] * count}
    assert alike(after, before)


def test_deepseek_v4_is_told_what_the_engine_does_not_read() -> None:
    values = {**usual("DeepseekV4ForCausalLM"), "compress_rates": {"compressed": 4}}
    values["mlp_layer_types"] = ["hash_moe"] * values["num_hidden_layers"]
    del values["compress_ratios"]
    with pytest.raises(SpecError) as caught:
        read_shape(values)
    (fault,) = caught.value.faults
    assert fault.path == "config.compress_ratios"
    assert "vLLM 0.32 does not read compress_rates" in fault.rule


@pytest.mark.parametrize("kind", ["minimax_m3_text", "minimax_m3_vl_text"])
def test_minimax_m3_has_what_the_engine_fills_in(kind: str) -> None:
    inner = {
        **usual("MiniMaxM3SparseForCausalLM"),
        "model_type": kind,
        "num_hidden_layers": 60,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "moe_layer_freq": None,
        "sparse_attention_config": None,
    }
    bare = {key: value for key, value in inner.items() if value is not None}
    shape = read_shape(
        {"architectures": ["MiniMaxM3SparseForConditionalGeneration"], "text_config": bare}
    )
    assert [bool(layer.experts) for layer in shape.layers] == [False] * 3 + [True] * 57
    assert [layer.kv.beside_bytes for layer in shape.layers] == [0] * 3 + [256] * 57


def gemma4(**more: Any) -> dict[str, Any]:
    kinds = ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]
    return {
        **BASE,
        "architectures": ["Gemma4ForCausalLM"],
        "layer_types": kinds,
        "sliding_window": 64,
        "attention_k_eq_v": True,
        **more,
    }


def test_gemma_4_has_its_heads_layer_by_layer() -> None:
    wide = {"head_dim": 48, "num_key_value_heads": 1}
    before = gemma4(global_head_dim=48, num_global_key_value_heads=1)
    again = gemma4(per_layer_config={"01": wide, "3": wide})
    assert alike(again, before)


def test_gemma_4_has_wide_heads_where_it_does_not_say() -> None:
    assert [layer.kv.elements for layer in read_shape(gemma4()).layers] == [48, 1024] * 2


def test_gemma_4_names_layers_that_are_none() -> None:
    listed = {"7": {}, "one": {"head_dim": 48}, "1": {"head_dim": 0}, "2": 3}
    with pytest.raises(SpecError) as caught:
        read_shape(gemma4(per_layer_config=listed))
    assert sorted(fault.path for fault in caught.value.faults) == [
        f"config.per_layer_config.{end}" for end in ("1.head_dim", "2", "7", "one")
    ]
