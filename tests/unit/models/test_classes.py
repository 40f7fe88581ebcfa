"""What a config leaves out, or calls otherwise, is what the engine's class for its type has."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import Fault, SpecError
from rackwright.models import read_shape
from rackwright.models.classes import ALIASES, DEFAULTS, NEEDED, TEXT_TYPES
from tests.samples.configs import usual
from tests.samples.sizes import D, E, F, H, L, V

BLOOM = {"model_type": "bloom", "architectures": ["BloomForCausalLM"], "vocab_size": V}


def faults(values: dict[str, Any]) -> tuple[Fault, ...]:
    with pytest.raises(SpecError) as caught:
        read_shape(values)
    return caught.value.faults


def of(name: str, kind: str, *left_out: str, **more: Any) -> dict[str, Any]:
    """The usual config of a family with its type, and without some keys."""
    own = {key: value for key, value in usual(name).items() if key not in left_out}
    return {**own, "model_type": kind, **more}


@pytest.mark.parametrize(
    ("name", "kind", "key"),
    [
        ("Qwen3MoeForCausalLM", "qwen3_moe", "num_key_value_heads"),
        ("SmolLM3ForCausalLM", "smollm3", "num_key_value_heads"),
        ("GemmaForCausalLM", "gemma", "head_dim"),
        ("GptOssForCausalLM", "gpt_oss", "head_dim"),
        ("SeedOssForCausalLM", "seed_oss", "attention_bias"),
        ("Glm4ForCausalLM", "glm4", "attention_bias"),
        ("DeepseekV3ForCausalLM", "deepseek_v3", "q_lora_rank"),
        ("DeepseekV3ForCausalLM", "deepseek_v3", "n_shared_experts"),
        ("DeepseekV3ForCausalLM", "deepseek_v3", "first_k_dense_replace"),
        ("GraniteMoeHybridForCausalLM", "granitemoehybrid", "num_local_experts"),
        ("MistralForCausalLM", "mistral", "sliding_window"),
        ("HyperCLOVAXForCausalLM", "hyperclovax", "use_post_norm"),
    ],
)
def test_what_is_left_out_is_what_the_class_has(name: str, kind: str, key: str) -> None:
    usual_here = DEFAULTS[kind][key]
    said = read_shape(of(name, kind, **{key: usual_here}))
    assert repr(read_shape(of(name, kind, key))) == repr(said)


def test_what_is_null_is_not_left_out() -> None:
    queries = read_shape(of("DeepseekV3ForCausalLM", "deepseek_v3", q_lora_rank=None)).layers
    assert all(tensor.name != "self_attn.q_a_proj" for tensor in queries[0].tensors)


def test_without_a_type_nothing_is_known_of_a_class() -> None:
    bare = {key: value for key, value in usual("SmolLM3ForCausalLM").items() if "key" not in key}
    assert read_shape(bare).kv_heads == bare["num_attention_heads"]


def test_what_does_not_fit_is_said_to_be_of_the_class() -> None:
    (fault,) = faults(of("Qwen2ForCausalLM", "qwen2", "num_key_value_heads"))
    assert fault.path == "config.num_key_value_heads" and fault.value == 32
    assert "left out, it is 32, as the class has it" in fault.rule


@pytest.mark.parametrize(
    ("name", "kind", "longest"),
    [
        ("FalconForCausalLM", "falcon", 2048),
        ("LlamaForCausalLM", "llama", 2048),
        ("Qwen3ForCausalLM", "qwen3", 32768),
        ("CohereForCausalLM", "cohere", 8192),
    ],
)
def test_the_longest_text_is_the_class_s_where_it_is_not_said(
    name: str, kind: str, longest: int
) -> None:
    shape = read_shape(of(name, kind, "max_position_embeddings"))
    assert shape.max_position_embeddings == longest


def test_of_several_lengths_the_least_counts_with_that_of_the_class() -> None:
    own = of("LlamaForCausalLM", "llama", "max_position_embeddings")
    assert read_shape({**own, "n_positions": 8192}).max_position_embeddings == 2048
    assert read_shape({**own, "n_positions": 1024}).max_position_embeddings == 1024


def test_a_class_with_one_length_has_it_by_any_name() -> None:
    own = of("GPT2LMHeadModel", "gpt2", "n_positions", max_position_embeddings=2048)
    assert read_shape(own).max_position_embeddings == 2048


def test_a_length_at_fault_is_one_fault() -> None:
    own = of("LlamaForCausalLM", "llama", "max_position_embeddings", model_max_length=-3)
    assert [fault.path for fault in faults(own)] == ["config.model_max_length"]


def test_sizes_that_every_model_has_are_never_taken_for_granted() -> None:
    for kind, usual_here in DEFAULTS.items():
        cut = {"hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"}
        assert not cut & set(usual_here), kind


@pytest.mark.parametrize(("kind", "keys"), NEEDED.items())
def test_what_only_the_file_says_is_needed(kind: str, keys: tuple[str, ...]) -> None:
    name = {
        "deepseek_v4": "DeepseekV4ForCausalLM",
        "glm4_moe_lite": "Glm4MoeLiteForCausalLM",
        "hy_v3": "HYV3ForCausalLM",
        "mimo_v2_flash": "MiMoV2FlashForCausalLM",
    }[kind]
    whole = {**of(name, kind), **dict.fromkeys(keys, 2)}
    gone = {*keys, "mlp_layer_types"}
    without = {key: value for key, value in whole.items() if key not in gone}
    found = {fault.path for fault in faults(without) if "the class of" in fault.rule}
    assert found == {f"config.{key}" for key in keys}


def test_which_layers_are_dense_may_be_listed_instead() -> None:
    kinds = ["dense", *["sparse"] * (L - 1)]
    own = of("HYV3ForCausalLM", "hy_v3", "first_k_dense_replace", mlp_layer_types=kinds)
    assert [bool(layer.experts) for layer in read_shape(own).layers] == [False, *[True] * (L - 1)]


def test_bloom_s_width_goes_by_an_older_name() -> None:
    older = {**BLOOM, "n_embed": H, "n_layer": L, "n_head": 4}
    newer = {**BLOOM, "hidden_size": H, "num_hidden_layers": L, "num_attention_heads": 4}
    assert repr(read_shape(older)) == repr(read_shape(newer))
    assert repr(read_shape({**older, "hidden_size": 2 * H})) == repr(read_shape(newer))


def test_a_fault_names_the_key_as_the_file_has_it() -> None:
    (fault,) = faults({**BLOOM, "n_embed": -1, "n_layer": L, "n_head": 4})
    assert fault.path == "config.n_embed"


@pytest.mark.parametrize(
    ("name", "kind", "other", "key"),
    [
        ("ChatGLMModel", "chatglm", "n_head_kv", "multi_query_group_num"),
        ("Lfm2ForCausalLM", "lfm2", "tie_embedding", "tie_word_embeddings"),
    ],
)
def test_a_key_s_other_name_is_read(name: str, kind: str, other: str, key: str) -> None:
    assert ALIASES[kind][other] == key
    own = of(name, kind, key)
    value = False if key == "tie_word_embeddings" else usual(name)[key]
    assert repr(read_shape({**own, other: value})) == repr(read_shape({**own, key: value}))


def test_a_text_model_without_a_type_is_of_the_class_that_the_whole_has() -> None:
    inner = of("Qwen3ForCausalLM", "", "head_dim", "model_type", num_attention_heads=64)
    del inner["model_type"]
    inner["num_key_value_heads"] = 2
    name = "Qwen3VLForConditionalGeneration"
    whole = {"architectures": [name], "model_type": "qwen3_vl", "text_config": inner}
    assert TEXT_TYPES["qwen3_vl"] == "qwen3_vl_text"
    assert read_shape(whole).layers[0].kv.elements == 2 * 128


def test_hunyuan_has_norms_of_queries_and_keys_whatever_the_file_says() -> None:
    """transformers' class builds them always; saved again, a file does not say it any more."""
    for name in ("HunYuanDenseV1ForCausalLM", "HunYuanMoEV1ForCausalLM"):
        own = {key: value for key, value in usual(name).items() if key != "use_qk_norm"}
        normed = [t for t in read_shape(own).layers[0].tensors if t.name.endswith("_norm")]
        assert [tensor.elements for tensor in normed] == [D, D]


def test_of_glm_5_3_flash_the_first_three_layers_have_no_experts() -> None:
    own = {key: v for key, v in usual("Glm5NextForCausalLM").items() if key != "mlp_layer_types"}
    assert [bool(layer.experts) for layer in read_shape(own).layers] == [False] * 3 + [True]


def test_voxtral_fills_in_what_its_text_model_leaves_out() -> None:
    whole = {
        "architectures": ["VoxtralForConditionalGeneration"],
        "model_type": "voxtral",
        "text_config": {"model_type": "llama"},
    }
    shape = read_shape(whole)
    assert (shape.hidden_size, len(shape.layers), shape.kv_heads) == (3072, 30, 8)
    assert shape.parameters == 4_014_136_320


NOMIC = {"type_vocab_size": 1, "activation_function": "gelu", "qkv_proj_bias": True}
ROUTED = {"num_experts": E, "moe_top_k": 2, "moe_every_n_layers": 2}


def test_each_second_layer_of_a_nomic_bert_may_have_experts() -> None:
    own = usual("NomicBertModel")
    plain = read_shape({**own, **NOMIC})
    routed = read_shape({**own, **NOMIC, **ROUTED})
    dense = 2 * F * H + F + H
    chosen = E * H + E * 2 * F * H + H
    assert routed.parameters - plain.parameters == L // 2 * (chosen - dense)
    one = read_shape({**own, **NOMIC, **ROUTED, "moe_every_n_layers": 1})
    assert one.parameters == plain.parameters, "the engine counts from the second of each"


def test_a_nomic_bert_with_biases_and_without_a_gate() -> None:
    own = usual("NomicBertModel")
    gated, biased = read_shape(own), read_shape({**own, **NOMIC, "type_vocab_size": 2})
    heads = usual("NomicBertModel")["num_attention_heads"] * D
    kept = usual("NomicBertModel")["num_key_value_heads"] * D
    more = heads + 2 * kept + H + F + H - F * H
    assert biased.parameters - gated.parameters == L * more


@pytest.mark.parametrize(
    ("key", "value"),
    [("activation_function", "relu"), ("mlp_fc1_bias", False), ("qkv_proj_bias", "yes")],
)
def test_what_the_engine_has_not_of_a_nomic_bert_is_refused(key: str, value: object) -> None:
    (fault,) = faults({**usual("NomicBertModel"), **NOMIC, key: value})
    assert fault.path == f"config.{key}"


@pytest.mark.parametrize("name", ["BertModel", "XLMRobertaModel", "GteModel", "ModernBertModel"])
@pytest.mark.parametrize("key", ["num_experts", "num_local_experts"])
def test_an_encoder_with_experts_is_refused_where_the_engine_has_none(name: str, key: str) -> None:
    (fault,) = faults({**usual(name), key: E})
    assert fault.path == f"config.{key}" and "no experts" in fault.rule
    read_shape({**usual(name), key: 0})


@pytest.mark.parametrize("key", ["qk_layernorm", "use_parallel_residual"])
def test_a_stablelm_of_the_other_kind_is_refused(key: str) -> None:
    (fault,) = faults({**usual("StableLmForCausalLM"), key: True})
    assert fault.path == f"config.{key}"


def test_an_opt_may_have_narrower_words_and_no_last_norm() -> None:
    """facebook/opt-350m projects them, and has its norms behind."""
    own, wide = usual("OPTForCausalLM"), read_shape(usual("OPTForCausalLM"))
    narrow = read_shape({**own, "word_embed_proj_dim": 8})
    assert narrow.parameters - wide.parameters == V * (8 - H) + 2 * 8 * H
    for key, value in (("do_layer_norm_before", False), ("_remove_final_layer_norm", True)):
        assert wide.parameters - read_shape({**own, key: value}).parameters == 2 * H
    bare = read_shape({**own, "layer_norm_elementwise_affine": False})
    assert wide.parameters - bare.parameters == 2 * H * (2 * L + 1)
    biased = wide.parameters - read_shape({**own, "enable_bias": False}).parameters
    heads, kept = own["num_attention_heads"] * D, own["num_key_value_heads"] * D
    assert biased == L * (heads + 2 * kept + H + F + H)


@pytest.mark.parametrize(
    ("key", "instead", "kinds"),
    [
        ("dense_mlp_idx", "mlp_layer_types", ["dense"] + ["sparse"] * (L - 1)),
        ("local_layer_ids", "layer_types", ["hybrid_sliding"] * 3 + ["hybrid"] * (L - 3)),
    ],
)
def test_inkling_is_told_what_the_engine_does_not_read(
    key: str, instead: str, kinds: list[str]
) -> None:
    own = {name: value for name, value in usual("InklingForCausalLM").items() if name != key}
    (fault,) = faults({**own, instead: kinds})
    assert fault.path == f"config.{key}" and f"does not read {instead}" in fault.rule
    read_shape({**usual("InklingForCausalLM"), instead: kinds})


def tied(architecture: str, whole: bool | None, inner: bool | None) -> bool:
    kind = {"tie_word_embeddings": inner} if inner is not None else {}
    own = {"tie_word_embeddings": whole} if whole is not None else {}
    text = {**usual("Qwen2ForCausalLM"), "model_type": "qwen2", "num_key_value_heads": 2, **kind}
    return read_shape({"architectures": [architecture], **own, "text_config": text}).tied


@pytest.mark.parametrize(
    "name",
    [
        "LlavaForConditionalGeneration",
        "LlavaNextVideoForConditionalGeneration",
        "LlavaOnevisionForConditionalGeneration",
        "Qwen2VLForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
    ],
)
def test_some_wrappers_are_tied_where_the_whole_or_the_text_model_says_so(name: str) -> None:
    every = [(whole, inner) for whole in (None, False, True) for inner in (None, False, True)]
    assert [tied(name, *one) for one in every] == [True in one for one in every]


@pytest.mark.parametrize(
    "name", ["LlavaNextForConditionalGeneration", "Idefics3ForConditionalGeneration"]
)
def test_of_others_the_whole_alone_counts(name: str) -> None:
    every = [(whole, inner) for whole in (None, False, True) for inner in (None, False, True)]
    assert [tied(name, *one) for one in every] == [one[0] is True for one in every]


def test_where_a_class_ties_unless_told_the_text_model_counts() -> None:
    """What it says is so in the files: an untied head is stored, and a stored head is loaded."""
    name = "InternVLForConditionalGeneration"
    assert [tied(name, None, inner) for inner in (None, False, True)] == [False, False, True]
    assert [tied(name, whole, not whole) for whole in (False, True)] == [False, True]


def test_hunyuan_that_sees_is_tied_unless_its_text_model_is_not() -> None:
    """By transformers 5.19, which the engine is locked with; 5.24 looks at the whole as well."""
    inner = {**usual("HunYuanDenseV1ForCausalLM"), "model_type": "hunyuan_vl_text"}
    whole = {
        "architectures": ["HunYuanVLForConditionalGeneration"],
        "model_type": "hunyuan_vl",
        "tie_word_embeddings": False,
    }
    assert read_shape({**whole, "text_config": inner}).tied
    untied = {**inner, "tie_word_embeddings": False}
    assert not read_shape({**whole, "text_config": untied}).tied
    assert not read_shape({**whole, "tie_word_embeddings": True, "text_config": untied}).tied
    flat = {**usual("HunYuanDenseV1ForCausalLM"), **whole}
    del flat["tie_word_embeddings"]
    assert read_shape(flat).tied
