"""Families against counts from elsewhere: a listing of pages, or transformers 5.24 on ``meta``.

The listing is that of tests/data/configs/README.md (the PyPI package ``llmfit`` 1.1.17); sizes are
those of the models' pages, or the defaults of their classes where ``meta`` counted.
"""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models import Shape, read_shape
from tests.samples.configs import Config

LFM2_TYPES = ["full_attention" if at in (2, 6, 10, 14, 18, 21) else "conv" for at in range(24)]


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


def experts(count: int, active: int, **more: Any) -> Config:
    return {"num_experts": count, "num_experts_per_tok": active, **more}


STEP: Config = {
    **sizes(128896, 4096, 45, 64, 8, 11264),
    "num_key_value_heads": None,
    "num_attention_groups": 8,
    "head_dim": 128,
    "moe_layers_enum": ",".join(map(str, range(3, 45))),
    "moe_num_experts": 288,
    "moe_top_k": 8,
    "moe_intermediate_size": 1280,
    "share_expert_dim": 1280,
    "use_head_wise_attn_gate": True,
    "sliding_window": 512,
    "layer_types": ["full_attention", *["sliding_attention"] * 3] * 12,
    "attention_other_setting": {
        "attention_type": "sliding_attention",
        "num_attention_heads": 96,
        "num_attention_groups": 8,
        "head_dim": 128,
    },
}
"""Step-3.5-Flash; its layer types go on with those of three layers for drafts."""
SMOL: Config = {**sizes(49280, 576, 30, 9, 3, 1536), "model_type": "llama"}
GEMMA_3N: Config = {
    **sizes(262400, 2048, 35, 8, 2, 16384),
    "intermediate_size": [16384] * 35,
    "head_dim": 256,
    "vocab_size_per_layer_input": 262144,
    "num_kv_shared_layers": 15,
    "sliding_window": 512,
}
COUNTED: dict[str, tuple[Config, int]] = {
    # mlx-community/Step-3.7-Flash-4bit has the text without the biases of its routers.
    "Step3p5ForCausalLM": (STEP, 196_956_118_272 + 42 * 288),
    "Step3p7ForConditionalGeneration": ({"text_config": STEP}, 196_956_118_272 + 42 * 288),
    # LFM2-8B-A1B, as its MLX repository lists it: with the experts' biases.
    "Lfm2MoeForCausalLM": (
        sizes(65536, 2048, 24, 32, 8, 7168)
        | experts(32, 4, moe_intermediate_size=1792, num_dense_layers=2)
        | {"conv_L_cache": 3, "layer_types": LFM2_TYPES},
        8_339_930_560,
    ),
    "ArceeForCausalLM": (sizes(32000, 2560, 32, 32, 32, 18432), 4_022_766_080),
    "GlmForCausalLM": (sizes(151552, 4096, 40, 32, 2, 13696), 9_399_951_360),  # glm-4-9b-chat-hf
    "AfmoeForCausalLM": (
        sizes(200192, 2048, 32, 16, 16, 6144)
        | experts(64, 6, moe_intermediate_size=1408, num_shared_experts=2, num_dense_layers=1),
        19_232_600_000,
    ),
    "Cohere2MoeForCausalLM": (
        sizes(256000, 8192, 40, 64, 64, 22528) | experts(8, 2),
        190_004_928_512,
    ),
    "ExaoneMoeForCausalLM": (
        sizes(102400, 4096, 32, 32, 32, 16384)
        | experts(64, 8, moe_intermediate_size=1024, num_shared_experts=1)
        | {"first_k_dense_replace": 1},
        28_550_641_600,
    ),
    "GraniteMoeSharedForCausalLM": (
        sizes(32000, 4096, 32, 32, 32, 11008)
        | {"num_local_experts": 8, "num_experts_per_tok": 2, "shared_intermediate_size": 0},
        37_039_116_288,
    ),
    "GPTBigCodeForCausalLM": (
        {"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12},
        111_446_784,
    ),
    # SmolVLM-256M has 256,484,928 with its tower of 86,433,024 and a product of 7,077,888.
    "SmolVLMForConditionalGeneration": (
        {"text_config": SMOL},
        256_484_928 - 86_433_024 - 7_077_888,
    ),
    # embeddinggemma-GTAIDE-300m: without the two products behind the pooling.
    "Gemma3TextModel": (
        sizes(262144, 768, 24, 3, 1, 1152)
        | {"head_dim": 256, "sliding_window": 512, "use_bidirectional_attention": True},
        302_863_104,
    ),
    # gte-multilingual-base: 305 million on its page.
    "GteNewModel": (
        sizes(250048, 768, 12, 12, 12, 3072) | {"type_vocab_size": 1},
        250049 * 768 + 1536 + 12 * (4 * 768**2 + 4 * 768 + 3 * 768 * 3072 + 768 + 4 * 768),
    ),
    # voyage-4-nano
    "VoyageQwen3BidirectionalEmbedModel": (
        sizes(151936, 1024, 12, 16, 8, 3072) | {"head_dim": 128, "num_labels": 2048},
        346_451_968,
    ),
    # jina-embeddings-v5-text-nano; of -small the sizes are those of Qwen3 0.6B
    "JinaEmbeddingsV5Model": (
        sizes(128256, 768, 12, 12, 12, 3072) | {"is_decoder": False},
        211_766_016,
    ),
    # jina-embeddings-v3-hf, 559,364,096, whose pooler is not loaded
    "XLMRobertaModel": (
        sizes(250002, 1024, 24, 16, 16, 4096)
        | {"type_vocab_size": 1, "position_embedding_type": "rotary"},
        559_364_096 - 1024 * 1025,
    ),
    # HyperCLOVAX-SEED-Think-14B
    "HyperCLOVAXForCausalLM": (
        sizes(110592, 6144, 38, 48, 8, 14336) | {"head_dim": 128, "use_post_norm": True},
        14_748_112_896,
    ),
    # Ling-mini-2.0
    "BailingMoeV2ForCausalLM": (
        sizes(157184, 2048, 20, 16, 4, 5120)
        | {"head_dim": 128, "moe_intermediate_size": 512, "num_shared_experts": 1}
        | {"first_k_dense_replace": 1, "use_qk_norm": True}
        | {"moe_router_enable_expert_bias": True}
        | experts(256, 8),
        16_255_643_392,
    ),
    # HunyuanOCR as its class counts it, less what sees: 457,198,064
    "HunYuanVLForConditionalGeneration": (
        sizes(120818, 1024, 24, 16, 8, 3584)
        | {"head_dim": 128, "use_qk_norm": True, "tie_word_embeddings": True},
        996_208_112 - 457_198_064,
    ),
    # Phi-4-mini, which Phi-4-multimodal is made of
    "Phi4MMForCausalLM": (
        sizes(200064, 3072, 32, 24, 8, 8192) | {"tie_word_embeddings": True},
        3_836_021_760,
    ),
    # Qwen3 1.7B, which Qwen3-ASR-1.7B is made of
    "Qwen3ASRForConditionalGeneration": (
        {
            "thinker_config": {
                "text_config": sizes(151936, 2048, 28, 16, 8, 6144)
                | {"head_dim": 128, "tie_word_embeddings": True}
            }
        },
        1_720_574_976,
    ),
    # ERNIE-4.5-VL-28B-A3B, as its class counts it: without a head, which is its table.
    "Ernie4_5_VLMoeForConditionalGeneration": (
        sizes(103424, 2560, 28, 20, 4, 12288)
        | {"moe_k": 6, "moe_num_shared_experts": 2, "moe_num_experts": [64, 64]}
        | {"moe_intermediate_size": [1536, 512], "moe_layer_start_index": [1, 1]},
        28_889_401_216 - 264_765_440,
    ),
    # PaddleOCR-VL's class: without a head, and the projector's 25,960,192.
    "PaddleOCRVLForConditionalGeneration": (
        sizes(103424, 1024, 18, 16, 2, 3072) | {"head_dim": 128},
        492_614_400 - 105_906_176 - 25_960_192,
    ),
    # Gemma 3n E4B, as its class counts it: without a head, which is its table.
    "Gemma3nForConditionalGeneration": ({"text_config": GEMMA_3N}, 7_372_630_768 - 537_395_200),
    "NemotronForCausalLM": (
        sizes(256000, 6144, 32, 48, 8, 24576) | {"head_dim": 128},
        15_628_775_424,
    ),
    "GPTJForCausalLM": (
        {"vocab_size": 50400, "n_positions": 2048, "n_embd": 4096, "n_layer": 28, "n_head": 16},
        6_050_882_784,
    ),
    "ModernBertForSequenceClassification": (
        sizes(50368, 768, 22, 12, 12, 1152) | {"num_labels": 1},
        149_605_633,
    ),
    # llama-nemotron-embed-1b-v2
    "LlamaBidirectionalModel": (sizes(128256, 2048, 16, 32, 8, 8192), 1_235_814_400),
    "LlamaModel": (
        sizes(128256, 2048, 16, 32, 8, 8192),
        1_235_814_400,  # Llama 3.2 1B, whose head is its table: also llama-nemotron-embed-1b-v2
    ),
}


def shape(architecture: str, **more: Any) -> Shape:
    return read_shape({"architectures": [architecture], **COUNTED[architecture][0], **more})


@pytest.mark.parametrize("architecture", COUNTED)
def test_elements_are_as_counted(architecture: str) -> None:
    assert shape(architecture).parameters == COUNTED[architecture][1]


@pytest.mark.parametrize(
    ("architecture", "kept"),
    [
        ("Step3p5ForCausalLM", 45 * 8 * 256),
        ("Lfm2MoeForCausalLM", 6 * 8 * 128),
        ("ArceeForCausalLM", 32 * 32 * 160),
        ("GlmForCausalLM", 40 * 2 * 256),
        ("AfmoeForCausalLM", 32 * 16 * 256),
        ("Cohere2MoeForCausalLM", 40 * 64 * 256),
        ("ExaoneMoeForCausalLM", 32 * 32 * 256),
        ("GPTBigCodeForCausalLM", 12 * 128),
        ("Gemma3TextModel", 0),
        ("GteNewModel", 0),
        ("VoyageQwen3BidirectionalEmbedModel", 0),
        ("JinaEmbeddingsV5Model", 0),
        ("XLMRobertaModel", 0),
        ("BailingMoeV2ForCausalLM", 20 * 4 * 256),
        ("HunYuanVLForConditionalGeneration", 24 * 8 * 256),
        ("Gemma3nForConditionalGeneration", 20 * 2 * 512),
        ("NemotronForCausalLM", 32 * 8 * 256),
        ("GPTJForCausalLM", 28 * 16 * 512),
        ("LlamaBidirectionalModel", 0),
        ("LlamaModel", 16 * 8 * 128),
    ],
)
def test_what_all_layers_keep_of_a_token(architecture: str, kept: int) -> None:
    layers = shape(architecture).layers
    assert sum(layer.kv.heads * layer.kv.elements for layer in layers) == kept


def test_layers_of_step_differ_in_heads_and_window() -> None:
    full, near, *_ = shape("Step3p5ForCausalLM").layers
    assert (full.query_width, full.kv.window) == (64 * 128, None)
    assert (near.query_width, near.kv.window) == (96 * 128, 512)
    assert shape("Step3p5ForCausalLM").widths["heads of windows"] == 96


def test_step_is_refused_with_what_is_wrong() -> None:
    other = {"attention_type": "sliding_attention", "num_attention_groups": 7}
    with pytest.raises(Exception, match="moe_layers_enum: must be numbers") as caught:
        shape("Step3p5ForCausalLM", moe_layers_enum="3,x", attention_other_setting=other)
    assert "attention_other_setting.num_attention_groups" in str(caught.value)


def test_ernie_that_sees_is_refused_with_what_is_wrong() -> None:
    name = "Ernie4_5_VLMoeForConditionalGeneration"
    with pytest.raises(Exception, match="moe_num_experts: must be two whole") as caught:
        shape(name, moe_num_experts=64, moe_layer_end_index=[3, 27])
    assert "moe_layer_end_index: must be at least 27" in str(caught.value)
    with pytest.raises(Exception, match="must be the same for text and what is seen"):
        shape(name, moe_num_experts=[64, 32])


def test_gemma_3n_may_have_a_width_for_each_layer() -> None:
    inner = {**GEMMA_3N, "intermediate_size": [16384] * 34 + [8192]}
    less = shape("Gemma3nForConditionalGeneration", text_config=inner)
    usual = shape("Gemma3nForConditionalGeneration")
    assert usual.parameters - less.parameters == 3 * 8192 * 2048
    for wrong in ([16384] * 3, ["x"] * 35):
        with pytest.raises(Exception, match="intermediate_size: must be"):
            shape(
                "Gemma3nForConditionalGeneration", text_config={**inner, "intermediate_size": wrong}
            )


def test_jina_v5_that_writes_keeps_tokens() -> None:
    assert shape("JinaEmbeddingsV5Model", is_decoder=True).layers[0].kv.elements == 128


def test_a_model_of_a_name_that_is_too_common_is_refused_with_the_name_it_is_served_by() -> None:
    values = {"architectures": ["NewModel"], **COUNTED["GteNewModel"][0]}
    override = """--hf-overrides '{"architectures": ["GteNewModel"]}'"""
    with pytest.raises(SpecError, match="must be GteNewModel") as caught:
        read_shape(values)
    assert override in str(caught.value)


def test_gte_may_have_no_table_of_types() -> None:
    none, one = (shape("GteNewModel", type_vocab_size=types).parameters for types in (0, 1))
    assert one - none == 768


def test_gemma_3_that_reads_one_way_keeps_tokens() -> None:
    causal = shape("Gemma3TextModel", use_bidirectional_attention=False)
    assert causal.layers[0].kv.elements == 512


def test_command_a_that_sees_has_the_text_model_that_it_names() -> None:
    for kind, name in (("cohere2", "Cohere2ForCausalLM"), ("cohere2_moe", "Cohere2MoeForCausalLM")):
        text = {**COUNTED["Cohere2MoeForCausalLM"][0], "model_type": kind}
        values = {"architectures": ["Cohere2VisionForConditionalGeneration"], "text_config": text}
        assert read_shape(values).architecture == name


def test_what_voyage_has_on_its_last_layer_makes_vectors_and_no_scores() -> None:
    (last,) = shape("VoyageQwen3BidirectionalEmbedModel").beside
    assert (last.name, last.rows, last.columns) == ("linear", 2048, 1024)
