"""Families of 2026 against counts from elsewhere, to the element, and what they keep of a token.

Counts are those of a listing of pages (tests/data/configs/README.md), or of transformers 5.24 on
``meta``; sizes are the listing's, the pages', and class defaults. Where the listing has drafts or
what sees besides, those are added up here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from rackwright.models import Shape, read_shape
from rackwright.planning.splitting import indivisible
from rackwright.sizing import Split, tensor_bytes
from rackwright.sizing.kv_cache import kv_bytes_per_token
from tests.samples.sizes import Config


def sizes(vocabulary: int, hidden: int, layers: int, heads: int, groups: int, width: int) -> Config:
    return {
        "vocab_size": vocabulary,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "intermediate_size": width,
        "max_position_embeddings": 8192,
    }


def routed(count: int, active: int, width: int, **more: Any) -> Config:
    many = {"num_experts": count, "num_experts_per_tok": active}
    return {**many, "moe_intermediate_size": width, **more}


MLA = {"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128}
TINY_LING = {
    **sizes(157184, 1536, 24, 16, 16, 4608),
    **MLA,
    **routed(128, 8, 512, moe_shared_expert_intermediate_size=512, num_shared_experts=1),
    "head_dim": 128,
    "q_lora_rank": 256,
    "gated_attention_proj_granularity_type": "head_wise",
    "layer_group_size": 4,
    "no_kda_lora": True,
    "short_conv_kernel_size": 4,
    "first_k_dense_replace": 1,
}
LING_26 = {
    **sizes(157184, 4096, 32, 32, 32, 9216),
    **MLA,
    **routed(256, 8, 1024, num_shared_experts=1),
    "head_dim": 128,
    "q_lora_rank": 1536,
    "layer_group_size": 8,
    "group_norm_size": 8,
    "first_k_dense_replace": 1,
    "use_qk_norm": True,
    "moe_router_enable_expert_bias": True,
}
RING_25 = {
    **LING_26,
    **sizes(157184, 8192, 80, 64, 64, 18432),
    **routed(256, 8, 2048),
    "first_k_dense_replace": 4,
}
HORIZON = {"head_dim": 128, "num_experts": 0, "attention_bias": False}
MOVA = {
    **sizes(250624, 2560, 48, 32, 8, 6144),
    **routed(100, 8, 768, num_shared_experts=1),
    "head_dim": 128,
    "mlp_only_layers": [0, 1, 2],
    "mova_num_experts": 64,
    "moe_gate_bias": True,
    "attention_gate_func": "sigmoid",
}
HORIZON_375B = {
    **sizes(250624, 6144, 61, 48, 8, 16384),
    **routed(192, 8, 1792, num_shared_experts=1),
    "head_dim": 128,
    "mlp_only_layers": [0, 1, 2],
    "moe_gate_bias": True,
}
GLM_4 = {
    "padded_vocab_size": 151552,
    "hidden_size": 4096,
    "num_layers": 40,
    "num_attention_heads": 32,
    "multi_query_attention": True,
    "multi_query_group_num": 2,
    "ffn_hidden_size": 13696,
    "add_qkv_bias": True,
    "seq_length": 131072,
}
SARVAM = {
    **sizes(262144, 4096, 32, 64, 64, 16384),
    **MLA,
    **routed(128, 8, 2048, n_shared_experts=1),
    "first_k_dense_replace": 1,
}
AX_K1 = {
    **sizes(163840, 7168, 61, 64, 64, 18432),
    **MLA,
    **routed(192, 8, 2048, n_shared_experts=1),
    "q_lora_rank": 1536,
    "first_k_dense_replace": 1,
    "topk_method": "greedy",
}
HY_4 = {
    **sizes(120832, 6144, 78, 64, 8, 18432),
    **routed(256, 8, 2048, n_shared_experts=1),
    **{"kv_lora_rank": 512, "qk_nope_head_dim": 192, "qk_rope_head_dim": 64, "v_head_dim": 256},
    "q_lora_rank": 2048,
    "index_n_heads": 32,
    "index_head_dim": 128,
    "hc_mult": 4,
    "layer_types": ["deepseek_sparse_attention"] * 78,
}
OLMO_LINEAR = {
    "linear_num_key_heads": 30,
    "linear_num_value_heads": 30,
    "linear_key_head_dim": 96,
    "linear_value_head_dim": 192,
    "linear_conv_kernel_dim": 4,
    "layer_types": [*["linear_attention"] * 3, "full_attention"] * 8,
}
STEP_3 = {
    **sizes(128815, 7168, 61, 64, 1, 18432),
    "head_dim": 256,
    "share_q_dim": 2048,
    "moe_num_experts": 48,
    "moe_top_k": 3,
    "moe_intermediate_size": 5120,
    "share_expert_dim": 5120,
    "moe_layers_enum": ",".join(map(str, range(4, 60))),
}
MOLMO = {"head_dim": 128, "use_qk_norm": True, "qkv_bias": False, "additional_vocab_size": 128}
ARIA = {"moe_num_experts": 64, "moe_topk": 6, "moe_num_shared_experts": 2}
ZAMBA = {
    "mamba_d_conv": 4,
    "mamba_ngroups": 1,
    "num_key_value_heads": 32,
    "intermediate_size": None,
}


def zamba(layers: int, hybrid: tuple[int, ...]) -> list[str]:
    return ["hybrid" if layer in hybrid else "mamba" for layer in range(layers)]


class Case(NamedTuple):
    """A model by its page: elements, and bytes that all its layers keep of a token in 16 bits."""

    architecture: str
    config: Config
    elements: int
    kept: int


CASES: dict[str, Case] = {
    "Zamba2-1.2B": Case(
        "Zamba2ForCausalLM",
        {
            **sizes(32000, 2048, 38, 32, 32, 8192),
            **ZAMBA,
            "layers_block_type": zamba(38, (5, 11, 17, 23, 29, 35)),
            "num_mem_blocks": 1,
            "n_mamba_heads": 64,
            "mamba_d_state": 128,
            "use_shared_attention_adapter": True,
            "use_mem_rope": True,
        },
        1_215_064_704,
        6 * 32 * 2 * 128 * 2,
    ),
    "Zamba2-2.7B": Case(
        "Zamba2ForCausalLM",
        {
            **sizes(32000, 2560, 54, 32, 32, 10240),
            **ZAMBA,
            "layers_block_type": zamba(54, (6, 12, 18, 24, 30, 36, 42, 47, 51)),
            "num_mem_blocks": 2,
            "n_mamba_heads": 80,
            "mamba_d_state": 64,
        },
        2_662_214_560,
        9 * 32 * 2 * 160 * 2,
    ),
    "Ling-3.0-tiny": Case("BailingMoeV3ForCausalLM", TINY_LING, 7_893_392_800, 6 * 576 * 2),
    "Ling-2.6-flash": Case(  # the listing has a layer for drafts besides
        "BailingMoeV2_5ForCausalLM",
        LING_26,
        107_494_409_216 - (3_273_926_912 + 2 * 4096**2 + 3 * 4096),
        4 * 576 * 2,
    ),
    "Ring-2.5-1T": Case("BailingMoeV2_5ForCausalLM", RING_25, 1_012_231_160_320, 10 * 576 * 2),
    "K2-Horizon-0.9B": Case(
        "K2HorizonForCausalLM",
        {**sizes(64256, 1536, 28, 32, 8, 5120), **HORIZON, "head_dim": 64},
        1_078_285_824,
        28 * 8 * 2 * 64 * 2,
    ),
    "K2-Horizon-7B": Case(
        "K2HorizonForCausalLM",
        {**sizes(250624, 4096, 36, 32, 8, 12288), **HORIZON},
        8_999_178_240,
        36 * 8 * 2 * 128 * 2,
    ),
    "K2-Horizon-MoVA-36B-A4B": Case(
        "K2HorizonForCausalLM", MOVA, 37_444_792_020, 48 * 8 * 2 * 128 * 2
    ),
    "K2-Horizon-375B-A23B": Case(
        "K2HorizonForCausalLM", HORIZON_375B, 379_167_159_168, 61 * 8 * 2 * 128 * 2
    ),
    "glm-4-9b-chat": Case(  # the listing has a table of 32 frequencies besides
        "ChatGLMModel", GLM_4, 9_399_951_392 - 32, 40 * 2 * 2 * 128 * 2
    ),
    "MiniCPM4.1-8B": Case(
        "MiniCPMForCausalLM",
        {**sizes(73448, 4096, 32, 32, 2, 16384), "tie_word_embeddings": False},
        8_185_253_888,
        32 * 2 * 2 * 128 * 2,
    ),
    "sarvam-105b": Case("SarvamMLAForCausalLM", SARVAM, 106_031_767_424, 32 * 576 * 2),
    "A.X-K1": Case("AXK1ForCausalLM", AX_K1, 518_983_059_456, 61 * 576 * 2),
    "Hy4-preview": Case(  # less a layer for drafts, which mixes no streams
        "HYV4ForCausalLM",
        HY_4,
        779_960_992_733 - (9_978_461_268 - 393_236 + 2 * 6144**2 + 3 * 6144),
        78 * 576 * 2 + 21 * 132,
    ),
    "Olmo-Hybrid-7B": Case(
        "OlmoHybridForCausalLM",
        {**sizes(100352, 3840, 32, 30, 30, 11008), **OLMO_LINEAR},
        7_430_870_688,
        8 * 30 * 2 * 128 * 2,
    ),
    "HRM-Text-1B": Case(
        "HrmTextForCausalLM",
        {**sizes(65536, 1536, 16, 12, 12, 4096), "head_dim": 128},
        1_182_795_264,
        128 * 12 * 2 * 128 * 2,
    ),
    "Mellum2-12B": Case(
        "MellumForCausalLM",
        {**sizes(98304, 2304, 28, 32, 4, 7168), **routed(64, 8, 896), "head_dim": 128},
        12_149_923_072,
        28 * 4 * 2 * 128 * 2,
    ),
    "Jais-2-8B": Case(
        "Jais2ForCausalLM",
        {
            **sizes(150272, 3328, 32, 26, 26, 26624),
            "attention_bias": True,
            "mlp_bias": True,
        },
        8_090_401_280,
        32 * 26 * 2 * 128 * 2,
    ),
    "granite-swash-2b": Case(
        "GraniteSWAForCausalLM",
        {**sizes(100352, 2560, 24, 20, 4, 8192), "sliding_window": 128},
        2_144_463_840,
        24 * 4 * 2 * 128 * 2,
    ),
    "FlexOlmo-7x7B-1T": Case(
        "FlexOlmoForCausalLM",
        {**sizes(100352, 4096, 32, 32, 32, 11008), **routed(7, 7, 1)},
        33_270_665_216,
        32 * 32 * 2 * 128 * 2,
    ),
    "vaultgemma-1b": Case(
        "VaultGemmaForCausalLM",
        {**sizes(256000, 1152, 26, 4, 4, 6912), "head_dim": 256, "sliding_window": 512},
        1_038_741_120,
        26 * 4 * 2 * 256 * 2,
    ),
    "step3": Case(  # 316 billion, says its report; the rest of 321 sees
        "Step3VLForConditionalGeneration",
        {"text_config": STEP_3},
        316_294_538_240,
        61 * 2 * 256 * 2,
    ),
    "moondream3-preview": Case(  # less what sees, and coordinates that the engine has not
        "HfMoondream",
        {"model_type": "moondream3", "config": {}},
        9_268_626_928 - 448_649_072 - 7_876_224,
        24 * 32 * 2 * 64 * 2,
    ),
    "Molmo2-8B": Case(  # Molmo2Config's own sizes, as transformers counts them
        "Molmo2ForConditionalGeneration",
        {"text_config": {**sizes(151936, 4096, 36, 32, 8, 12288), **MOLMO}},
        8_191_259_648,
        36 * 8 * 2 * 128 * 2,
    ),
    "Aria": Case(
        "AriaForConditionalGeneration",
        {"text_config": {**sizes(100352, 2560, 28, 20, 20, 1664), **ARIA}},
        24_869_091_840,
        28 * 20 * 2 * 128 * 2,
    ),
    "North-Micro-Vision": Case(
        "CohereCompassForConditionalGeneration",
        {
            "tie_word_embeddings": True,
            "text_config": {
                **sizes(262144, 2048, 28, 16, 8, 6144),
                "model_type": "cohere_compass_text",
                "sliding_window": 4096,
            },
        },
        1_946_216_448,
        28 * 8 * 2 * 128 * 2,
    ),
}


def shape_of(name: str) -> Shape:
    case = CASES[name]
    return read_shape({"architectures": [case.architecture], **case.config})


@pytest.mark.parametrize("name", CASES)
def test_elements_are_as_counted(name: str) -> None:
    assert shape_of(name).parameters == CASES[name].elements


@pytest.mark.parametrize("name", CASES)
def test_what_all_layers_keep_of_a_token(name: str) -> None:
    assert kv_bytes_per_token(shape_of(name), Split(), 0) == CASES[name].kept


@pytest.mark.parametrize(
    ("name", "ranks", "why"),
    [
        ("Zamba2-1.2B", 8, ""),
        ("Zamba2-1.2B", 64, "32 attention"),
        ("Ling-3.0-tiny", 16, ""),
        ("Ling-3.0-tiny", 32, "16 attention"),
        ("Ling-2.6-flash", 8, ""),
        ("Ling-2.6-flash", 16, "groups of the norm 8"),
        ("Olmo-Hybrid-7B", 2, ""),
        ("Olmo-Hybrid-7B", 4, "30 attention"),
        ("step3", 64, ""),
        ("moondream3-preview", 8, ""),
        ("moondream3-preview", 32, ""),
        ("K2-Horizon-MoVA-36B-A4B", 4, ""),
        ("sarvam-105b", 64, ""),
    ],
)
def test_ranks_divide_as_the_engine_has_it(name: str, ranks: int, why: str) -> None:
    assert indivisible(Split(ranks), shape_of(name)).startswith(why or "")
    assert bool(indivisible(Split(ranks), shape_of(name))) == bool(why)


def test_linear_attention_keeps_a_state_of_a_request() -> None:
    """A matrix a head: in 16 bits for Ling 2.5, in float32 with what was convolved for Ling 3."""
    assert shape_of("Ling-2.6-flash").layers[0].kv.state_bytes == 32 * 128 * 128 * 2
    three = shape_of("Ling-3.0-tiny").layers[0].kv.state_bytes
    assert three == 16 * 128 * 128 * 4 + 3 * 16 * 128 * 3 * 2


def test_windows_stand_where_the_first_of_four_sees_everything() -> None:
    windows = [layer.kv.window for layer in shape_of("granite-swash-2b").layers]
    assert windows == [None, 128, 128, 128] * 6
    assert {layer.kv.window for layer in shape_of("North-Micro-Vision").layers} == {None}


@pytest.mark.parametrize("name", ["Zamba2-1.2B", "HRM-Text-1B", "Aria"])
def test_what_has_no_stages_is_not_given_any(name: str) -> None:
    assert indivisible(Split(1, 2), shape_of(name)) == "vLLM has no pipeline stages of this model"


def test_experts_of_ling_may_have_four_bits_beside_fp8() -> None:
    """Bits an element by name: MXFP4 with a byte for 32, FP8 with a byte for a block of 128."""
    ling = CASES["Ling-3.0-tiny"]
    blocks = {"quant_method": "fp8", "weight_block_size": [128, 128], "ignored_layers": ["b_proj"]}
    said = {**blocks, "routed_experts_quant_method": "mxfp4"}
    values = {"architectures": [ling.architecture], **ling.config, "quantization_config": said}
    shape = read_shape(values)
    layer, schemes = shape.layers[4], shape.schemes[4]
    pairs = zip(layer.tensors, schemes, strict=True)
    held = {t.name: tensor_bytes(shape, t, Split(), scheme) for t, scheme in pairs}
    assert held["mlp.experts.up_proj"] == 128 * 512 * 1536 * 17 // 32
    assert held["self_attn.q_proj"] == 2048 * 1536 + 16 * 12
    assert held["self_attn.b_proj"] == 16 * 1536 * 2
