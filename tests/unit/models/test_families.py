"""The shape of every family, from a small made-up config counted by hand."""

from __future__ import annotations

import pytest

from rackwright.errors import SpecError
from rackwright.models import FAMILIES, Shape, read_shape
from tests.samples.configs import (
    BASE,
    COUNTED,
    HEADS,
    UNTIED,
    Config,
    F,
    H,
    L,
    M,
    S,
    V,
    config,
    usual,
)
from tests.samples.sizes import KEYS, VALUES

COUNT_AS_TWO = (
    "FalconH1ForCausalLM",
    "HrmTextForCausalLM",
    "IQuestLoopCoderForCausalLM",
    "InklingForCausalLM",
    "NanbeigeForCausalLM",
    "WhisperForConditionalGeneration",
    "Zamba2ForCausalLM",
)
"""Of these a layer is two values: it keeps two kinds of cache, or is passed more than once."""


def windows(shape: Shape) -> list[int | None]:
    return [layer.kv.window for layer in shape.layers]


def sparse(shape: Shape) -> list[bool]:
    return [layer.experts is not None for layer in shape.layers]


@pytest.mark.parametrize(
    ("architecture", "more", "count"),
    COUNTED,
    ids=[f"{name}-{'-'.join(more) or 'plain'}" for name, more, _ in COUNTED],
)
def test_parameters_are_those_counted_by_hand(architecture: str, more: Config, count: int) -> None:
    assert read_shape(config(architecture, **more)).parameters == count


def test_every_family_is_counted() -> None:
    assert {name for name, _, _ in COUNTED} == set(FAMILIES)


def test_tied_models_have_one_table_and_still_a_head() -> None:
    tied, untied = (read_shape(config(tie_word_embeddings=tied)) for tied in (True, False))
    assert (tied.tied, untied.tied) == (True, False)
    assert untied.parameters - tied.parameters == V * H
    assert tied.head == untied.head


@pytest.mark.parametrize(
    ("architecture", "tied"), [("LlamaForCausalLM", False), ("Gemma2ForCausalLM", True)]
)
def test_a_family_says_whether_tables_are_tied_where_the_config_does_not(
    architecture: str, tied: bool
) -> None:
    assert read_shape(config(architecture)).tied is tied
    assert read_shape(config(architecture, tie_word_embeddings=None)).tied is tied
    assert read_shape(config(architecture, tie_word_embeddings=not tied)).tied is not tied


@pytest.mark.parametrize("architecture", [name for name in FAMILIES if name not in COUNT_AS_TWO])
def test_equal_layers_are_one_value(architecture: str) -> None:
    shape = read_shape(usual(architecture))
    kinds = {(y.kv, y.experts, y.mlp_width, len(y.tensors)): y for y in shape.layers}
    assert len(shape.layers) == L
    own = (kinds[y.kv, y.experts, y.mlp_width, len(y.tensors)] for y in shape.layers)
    assert all(layer is made for layer, made in zip(shape.layers, own, strict=True))


LISTED = ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]


@pytest.mark.parametrize(
    ("architecture", "more", "expected"),
    [
        ("LlamaForCausalLM", {"sliding_window": 8}, [None] * 4),
        ("MistralForCausalLM", {"sliding_window": 8}, [8] * 4),
        ("MistralForCausalLM", {"sliding_window": None}, [None] * 4),
        ("MistralForCausalLM", {}, [None] * 4),
        ("Gemma2ForCausalLM", {"sliding_window": 8}, [8, None, 8, None]),
        ("Gemma3ForCausalLM", {"sliding_window": 8, "sliding_window_pattern": 3}, [8, 8, None, 8]),
        ("Gemma3ForCausalLM", {"sliding_window": 8, "_sliding_window_pattern": 2}, [8, None] * 2),
        ("Gemma3ForCausalLM", {"sliding_window": 8}, [8] * 4),  # each sixth is full, of four none
        ("Qwen2ForCausalLM", {"sliding_window": 8}, [None] * 4),
        ("Qwen2ForCausalLM", {"sliding_window": 8, "use_sliding_window": False}, [None] * 4),
        (
            "Qwen2ForCausalLM",
            {"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 3},
            [None, None, None, 8],
        ),
        ("Qwen3ForCausalLM", {"sliding_window": 8, "use_sliding_window": True}, [8] * 4),
        ("Qwen3ForCausalLM", {"sliding_window": 8, "layer_types": LISTED}, [None, 8, 8, None]),
        ("Gemma3ForCausalLM", {"sliding_window": 8, "layer_types": LISTED}, [None, 8, 8, None]),
        ("Olmo3ForCausalLM", {"sliding_window": 8, "layer_types": LISTED}, [None, 8, 8, None]),
        ("Gemma3ForCausalLM", {"sliding_window": None, "layer_types": LISTED}, [None] * 4),
        ("DeepseekV2ForCausalLM", {}, [None] * 4),
        ("Llama4ForCausalLM", {"sliding_window": 8}, [32, 32, 32, None]),
        (
            "Llama4ForCausalLM",
            {"layer_types": ["chunked_attention", *["full_attention"] * 3]},
            [32, None, None, None],
        ),
    ],
)
def test_layers_look_back_as_their_family_does(
    architecture: str, more: Config, expected: list[int | None]
) -> None:
    assert windows(read_shape({**usual(architecture), "sliding_window": None, **more})) == expected


def test_gemma_3_sees_everything_in_each_sixth_layer() -> None:
    shape = read_shape(config("Gemma3ForCausalLM", sliding_window=8, num_hidden_layers=14))
    assert [i for i, window in enumerate(windows(shape)) if window is None] == [5, 11]


def test_linear_attention_keeps_a_state_of_each_request_and_nothing_of_a_token() -> None:
    full = [False, False, False, True]
    shape = read_shape(usual("Qwen3NextForCausalLM"))
    assert [layer.kv.state_bytes == 0 for layer in shape.layers] == full
    kept = shape.layers[0].kv
    # a key by value matrix a value head, and the two tokens that the convolution looks back
    assert kept.state_bytes == (6 * 10 * 14 + 2 * (2 * KEYS + VALUES)) * 2
    assert (kept.elements, kept.kind) == (0, "state")
    wide = read_shape({**usual("Qwen3NextForCausalLM"), "mamba_ssm_dtype": "float32"})
    assert wide.layers[0].kv.state_bytes == 6 * 10 * 14 * 4 + 2 * (2 * KEYS + VALUES) * 2


def test_gpt_oss_alternates_where_no_list_says_otherwise() -> None:
    shape = read_shape(usual("GptOssForCausalLM"))
    assert windows(shape) == [32, None, 32, None]


@pytest.mark.parametrize(
    ("architecture", "more", "expected"),
    [
        ("Qwen3MoeForCausalLM", {}, [True] * 4),
        ("Qwen3MoeForCausalLM", {"decoder_sparse_step": 2}, [False, True, False, True]),
        ("Qwen3MoeForCausalLM", {"mlp_only_layers": [0, 3]}, [False, True, True, False]),
        ("MixtralForCausalLM", {}, [True] * 4),
        ("DeepseekV2ForCausalLM", {"first_k_dense_replace": 0}, [True] * 4),
        ("DeepseekV2ForCausalLM", {"first_k_dense_replace": None}, [True] * 4),
        ("DeepseekV2ForCausalLM", {"first_k_dense_replace": 2}, [False, False, True, True]),
        (
            "DeepseekV3ForCausalLM",
            {"first_k_dense_replace": 1, "moe_layer_freq": 2},
            [False, False, True, False],
        ),
        ("LlamaForCausalLM", {"num_local_experts": 4}, [False] * 4),
    ],
)
def test_experts_are_where_their_family_puts_them(
    architecture: str, more: Config, expected: list[bool]
) -> None:
    own = {"decoder_sparse_step": None, "mlp_only_layers": None}
    assert sparse(read_shape({**usual(architecture), **own, **more})) == expected


def test_what_tensor_parallel_sizes_must_divide_is_named() -> None:
    assert read_shape(config()).widths == {"MLP width": F}
    assert read_shape(usual("MixtralForCausalLM")).widths == {}
    assert read_shape(usual("Qwen2MoeForCausalLM")).widths == {"shared expert width": S}
    linear = read_shape(usual("Qwen3_5ForCausalLM")).widths
    assert linear == {"MLP width": F, "linear attention heads": 2}
    both = read_shape(usual("DeepseekV2ForCausalLM")).widths
    assert both == {"MLP width": F, "shared expert width": 2 * M}


def test_latent_attention_keeps_one_head_that_holds_rank_and_rope() -> None:
    kept = read_shape(usual("DeepseekV2ForCausalLM")).layers[0].kv
    assert (kept.heads, kept.elements, kept.latent) == (1, 20 + 8, True)


def test_what_chooses_tokens_keeps_a_key_of_each_in_the_layers_that_choose() -> None:
    """A byte a dimension and a scale of 4, beside the latent head."""
    shape = read_shape(usual("GlmMoeDsaForCausalLM"))
    assert [layer.kv.beside_bytes for layer in shape.layers] == [132, 0, 132, 0]
    assert all((layer.kv.elements, layer.kv.latent) == (28, True) for layer in shape.layers)
    every = read_shape(usual("DeepseekV32ForCausalLM"))
    assert [layer.kv.beside_bytes for layer in every.layers] == [132] * 4
    named = read_shape({**usual("GlmMoeDsaForCausalLM"), "index_topk_pattern": "FSSF"})
    assert [layer.kv.beside_bytes for layer in named.layers] == [132, 0, 0, 132]


def test_what_the_engine_makes_beside_the_checkpoint_is_no_parameter() -> None:
    """Latent attention multiplies its up-projection in, for which the engine copies it."""
    shape = read_shape(usual("DeepseekV2ForCausalLM"))
    copied = [tensor for tensor in shape.layers[0].tensors if not tensor.stored]
    assert sum(tensor.elements for tensor in copied) == HEADS * (12 + 10) * 20
    assert not any(tensor.quantizable for tensor in copied)
    stored = [tensor for layer in shape.layers for tensor in layer.tensors if tensor.stored]
    assert shape.parameters == UNTIED + sum(tensor.elements for tensor in stored)


@pytest.mark.parametrize(
    ("wrapper", "inner"),
    [
        ("Gemma3ForConditionalGeneration", "Gemma3ForCausalLM"),
        ("Mistral3ForConditionalGeneration", "MistralForCausalLM"),
        ("Qwen3_5ForConditionalGeneration", "Qwen3_5ForCausalLM"),
        ("Qwen3_5MoeForConditionalGeneration", "Qwen3_5MoeForCausalLM"),
    ],
)
def test_of_a_model_that_sees_images_the_text_half_is_read(wrapper: str, inner: str) -> None:
    outer = {
        "architectures": [wrapper],
        "text_config": {**usual(inner), "layer_types": None},
        "torch_dtype": "float16",
        "hidden_size": 1,
        "vision_config": {"hidden_size": 7},
    }
    shape, alone = read_shape(outer), read_shape({**usual(inner), "layer_types": None})
    assert (shape.architecture, shape.text_only) == (inner, True)
    assert shape.parameters == alone.parameters > 0
    assert shape.dtype == "float16"
    assert not alone.text_only


def test_what_a_model_says_as_a_whole_goes_before_its_text_half() -> None:
    outer = {
        "architectures": ["Mistral3ForConditionalGeneration"],
        "text_config": {
            **BASE,
            "dtype": "bfloat16",
            "tie_word_embeddings": False,
            "quantization_config": {"quant_method": "mxfp4"},
        },
        "torch_dtype": "float16",
        "tie_word_embeddings": True,
        "quantization_config": {"quant_method": "fp8"},
    }
    shape = read_shape(outer)
    assert (shape.dtype, shape.tied) == ("float16", True)
    assert shape.quantization and shape.quantization.method == "fp8"


def test_where_it_says_nothing_its_text_half_counts() -> None:
    inner = {**BASE, "torch_dtype": "float16", "tie_word_embeddings": True}
    outer = {"architectures": ["Mistral3ForConditionalGeneration"], "text_config": inner}
    shape = read_shape({**outer, "dtype": None, "quantization_config": None})
    assert (shape.dtype, shape.tied) == ("float16", True)


def test_keys_are_named_where_they_stand() -> None:
    outer = {
        "architectures": ["Mistral3ForConditionalGeneration"],
        "text_config": {**BASE, "hidden_size": 0},
        "torch_dtype": "int8",
        "quantization_config": {"quant_method": "bitsandbytes"},
    }
    with pytest.raises(SpecError) as caught:
        read_shape(outer)
    assert {fault.path for fault in caught.value.faults} == {
        "config.text_config.hidden_size",
        "config.torch_dtype",
        "config.quantization_config",
    }


@pytest.mark.parametrize(
    ("more", "dtype"),
    [
        ({}, "bfloat16"),
        ({"torch_dtype": None}, "bfloat16"),
        ({"torch_dtype": "float16"}, "float16"),
        ({"torch_dtype": "float32"}, "bfloat16"),
        ({"dtype": "float16"}, "float16"),
        ({"dtype": "float16", "torch_dtype": "bfloat16"}, "float16"),
        ({"dtype": "float32", "torch_dtype": "float16"}, "bfloat16"),
    ],
)
def test_the_dtype_is_the_engines_auto(more: Config, dtype: str) -> None:
    assert read_shape(config(**more)).dtype == dtype
