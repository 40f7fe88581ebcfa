"""Every family's shape from a small made-up config, counted by hand; and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackwright.errors import SpecError
from rackwright.models import FAMILIES, Figures, Shape, read_shape, shape_by_hand
from rackwright.sizing import GIB, Split, kv_bytes_per_token, weights_bytes
from tests.samples.configs import (
    BASE,
    COUNTED,
    HEADS,
    KEYS,
    LATENT,
    UNTIED,
    VALUES,
    Config,
    E,
    F,
    H,
    L,
    M,
    S,
    V,
    config,
    usual,
)


def faults(values: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read_shape(values)
    return [str(fault) for fault in caught.value.faults]


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


@pytest.mark.parametrize("architecture", FAMILIES)
def test_equal_layers_are_one_value(architecture: str) -> None:
    shape = read_shape(usual(architecture))
    kinds = {(layer.kv.kind, layer.experts): layer for layer in shape.layers}
    assert len(shape.layers) == L
    assert all(layer is kinds[layer.kv.kind, layer.experts] for layer in reversed(shape.layers))


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


def test_what_the_text_half_says_itself_counts() -> None:
    outer = {
        "architectures": ["Mistral3ForConditionalGeneration"],
        "text_config": {**BASE, "torch_dtype": "bfloat16", "tie_word_embeddings": False},
        "torch_dtype": "float16",
        "tie_word_embeddings": True,
        "quantization_config": {"quant_method": "fp8"},
    }
    shape = read_shape(outer)
    assert (shape.dtype, shape.tied) == ("bfloat16", False)
    assert shape.quantization and shape.quantization.method == "fp8"


def test_faults_of_the_text_half_are_named_there() -> None:
    outer = {"architectures": ["Gemma3ForConditionalGeneration"], "text_config": {}}
    assert "config.text_config.hidden_size: is required" in faults(outer)


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


DEEPSEEK = {"n_routed_experts": E, "num_experts_per_tok": 2, "moe_intermediate_size": M}
SIZE = "must be a whole number, 1 to 1,000,000,000"
REFUSED: dict[str, tuple[Any, list[str]]] = {
    "no dict": ([], ["config: must be a dict, as in config.json (got [])"]),
    "nothing": ({}, ["config.architectures: must be a list of one name"]),
    "architectures no list": (
        config() | {"architectures": "LlamaForCausalLM"},
        ["config.architectures: must be a list of one name (got 'LlamaForCausalLM')"],
    ),
    "architectures of a number": (
        config() | {"architectures": [1]},
        ["config.architectures: must be a list of one name (got [1])"],
    ),
    "two architectures": (
        config() | {"architectures": ["LlamaForCausalLM", "MistralForCausalLM"]},
        [
            "config.architectures: must be a list of one name "
            "(got ['LlamaForCausalLM', 'MistralForCausalLM'])"
        ],
    ),
    "an unknown architecture": (
        config("MambaForCausalLM"),
        [
            "config.architectures: is an architecture that cannot be judged; give its memory by "
            "hand as `figures` instead of `config` (docs/planner.md) (got 'MambaForCausalLM')"
        ],
    ),
    "no text_config": (
        {"architectures": ["Gemma3ForConditionalGeneration"]},
        ["config.text_config: is required"],
    ),
    "text_config no dict": (
        {"architectures": ["Gemma3ForConditionalGeneration"], "text_config": 3},
        ["config.text_config: is required (got 3)"],
    ),
    "only an architecture": (
        {"architectures": ["LlamaForCausalLM"]},
        [
            f"config.{key}: is required"
            for key in sorted(set(BASE) - {"head_dim", "num_key_value_heads"})
        ],
    ),
    "wrong types": (
        config(
            hidden_size="64",
            vocab_size=100.0,
            num_hidden_layers=True,
            intermediate_size=0,
            head_dim=-1,
            max_position_embeddings=[1],
            tie_word_embeddings="yes",
            torch_dtype=7,
        ),
        [
            f"config.head_dim: {SIZE} (got -1)",
            f"config.hidden_size: {SIZE} (got '64')",
            f"config.intermediate_size: {SIZE} (got 0)",
            f"config.max_position_embeddings: {SIZE} (got [1])",
            "config.num_hidden_layers: must be a whole number, 1 to 1,000 (got True)",
            "config.tie_word_embeddings: must be true or false (got 'yes')",
            "config.torch_dtype: must be a string (got 7)",
            f"config.vocab_size: {SIZE} (got 100.0)",
        ],
    ),
    "KV heads that do not divide": (
        config(num_attention_heads=4, num_key_value_heads=3),
        ["config.num_key_value_heads: must divide num_attention_heads 4 (got 3)"],
    ),
    "a dtype": (
        config(torch_dtype="float64"),
        ["config.torch_dtype: must be bfloat16, float16 or float32 (got 'float64')"],
    ),
    "a list of too few layers": (
        config(layer_types=["full_attention"]),
        ["config.layer_types: must have one entry for each of 4 layers (got 1)"],
    ),
    "a list of other things": (
        config(layer_types=[1, 2, 3, 4]),
        ["config.layer_types: must be a list of names (got [1, 2, 3, 4])"],
    ),
    "a kind of layer": (
        config(layer_types=["full_attention", "mamba", "linear_attention", "full_attention"]),
        [
            "config.layer_types: must be full_attention or sliding_attention "
            "(got 'linear_attention')"
        ],
    ),
    "more active experts than there are": (
        config(
            "Qwen3MoeForCausalLM", num_experts=4, num_experts_per_tok=5, moe_intermediate_size=M
        ),
        ["config.num_experts_per_tok: must be at most num_experts 4 (got 5)"],
    ),
    "no experts": (
        config("MixtralForCausalLM"),
        [
            "config.num_experts_per_tok: is required",
            "config.num_local_experts: is required",
        ],
    ),
    "dense layers of Qwen": (
        config(
            "Qwen3MoeForCausalLM",
            num_experts=4,
            num_experts_per_tok=2,
            moe_intermediate_size=M,
            mlp_only_layers="0",
            decoder_sparse_step=0,
        ),
        [
            f"config.decoder_sparse_step: {SIZE} (got 0)",
            "config.mlp_only_layers: must be a list of layer numbers (got '0')",
        ],
    ),
    "no latent sizes": (
        config("DeepseekV2ForCausalLM", **DEEPSEEK),
        [
            "config.kv_lora_rank: is required",
            "config.qk_nope_head_dim: is required",
            "config.qk_rope_head_dim: is required",
            "config.v_head_dim: is required",
        ],
    ),
    "a quantization": (
        config(quantization_config={"quant_method": "magic"}),
        [
            "config.quantization_config: must be one of awq, compressed-tensors, fbgemm_fp8, fp8, "
            "gptq, mxfp4, not 'magic'"
        ],
    ),
    "a garbled quantization": (
        config(quantization_config={"quant_method": "gptq", "bits": []}),
        ["config.quantization_config: must have whole numbers from 1 to 8, not []"],
    ),
}


@pytest.mark.parametrize(("values", "expected"), REFUSED.values(), ids=REFUSED)
def test_every_fault_is_said_at_once(values: Any, expected: list[str]) -> None:
    assert faults(values) == expected


def test_faults_of_every_part_are_said_together() -> None:
    broken = config(
        "Qwen3MoeForCausalLM",
        vocab_size=None,
        num_experts=1,
        num_experts_per_tok=2,
        moe_intermediate_size="wide",
        torch_dtype="int8",
        quantization_config={"quant_method": "none"},
    )
    paths = [line.partition(":")[0] for line in faults(broken)]
    assert paths == [
        "config.moe_intermediate_size",
        "config.num_experts_per_tok",
        "config.quantization_config",
        "config.torch_dtype",
        "config.vocab_size",
    ]


def test_faults_are_named_by_the_path_given() -> None:
    with pytest.raises(SpecError, match=r"models\[own\].config.hidden_size: is required"):
        read_shape(config(hidden_size=None), "models[own].config")


@pytest.mark.parametrize("number", ["one", -1, [], 1.5, True])
@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("first_k_dense_replace", config("DeepseekV2ForCausalLM", **LATENT, **DEEPSEEK)),
        (
            "max_window_layers",
            config("Qwen2ForCausalLM", sliding_window=8, use_sliding_window=True),
        ),
    ],
)
def test_layers_are_counted_from_0(key: str, values: Config, number: Any) -> None:
    (fault,) = faults({**values, key: number})
    assert fault.startswith(f"config.{key}: must be ")
    assert read_shape({**values, key: 0}).layers
    assert read_shape({**values, key: 99}).layers  # beyond the last: no layer at all


@pytest.mark.parametrize("key", ["num_hidden_layers", "vocab_size", "max_position_embeddings"])
def test_more_than_any_model_has_is_refused(key: str) -> None:
    (fault,) = faults(config(**{key: 10**10}))
    assert fault.startswith(f"config.{key}: must be a whole number, 1 to ")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 300) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
READ = sorted(
    {key for _, more, _ in COUNTED for key in more}
    | set(BASE)
    | {"architectures", "text_config", "dtype", "torch_dtype", "tie_word_embeddings"}
    | {"layer_types", "sliding_window", "sliding_window_pattern", "use_sliding_window"}
    | {"max_window_layers", "moe_layer_freq", "quantization_config", "mlp_bias"}
    | {"rope_scaling", "mamba_ssm_dtype"}
)
METHODS = ["fp8", "fbgemm_fp8", "awq", "gptq", "mxfp4", "compressed-tensors", "magic"]
SCHEME = st.fixed_dictionaries(
    {},
    optional={
        "weights": st.fixed_dictionaries(
            {},
            optional={"num_bits": st.sampled_from([4, 8]) | JSON, "group_size": JSON, "type": JSON},
        )
        | JSON,
        "input_activations": JSON,
    },
)
MODULES = st.sampled_from(["lm_head", "model.layers.0.mlp", "re:.*gate$", "re:[", "*", ""])
QUANTIZATIONS = st.fixed_dictionaries(
    {"quant_method": st.sampled_from(METHODS)},
    optional={
        "weight_block_size": st.lists(st.integers(-1, 200), max_size=3) | JSON,
        "modules_to_not_convert": st.lists(MODULES | JSON, max_size=3) | JSON,
        "ignored_layers": JSON,
        "ignore": st.lists(MODULES | JSON, max_size=3) | JSON,
        "bits": st.sampled_from([4, 8]) | JSON,
        "group_size": st.sampled_from([-1, 32, 128]) | JSON,
        "sym": JSON,
        "config_groups": st.dictionaries(st.text(max_size=3), SCHEME, max_size=2) | JSON,
    },
)


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A good config with some keys gone or replaced."""
    found = usual(draw(st.sampled_from(sorted(FAMILIES))))
    for key in draw(st.lists(st.sampled_from(READ), max_size=4, unique=True)):
        found[key] = draw(JSON)
    if draw(st.booleans()):
        found["quantization_config"] = draw(QUANTIZATIONS)
    if draw(st.integers(0, 5)) == 0:
        kinds = st.sampled_from(["linear", "yarn", "llama3"])
        found["rope_scaling"] = {"rope_type": draw(kinds), "factor": draw(JSON)}
    for key in draw(st.lists(st.sampled_from(READ), max_size=1)):
        found.pop(key, None)
    if draw(st.integers(0, 5)) == 0:
        outer = {"architectures": ["Gemma3ForConditionalGeneration"], "text_config": found}
        found = outer | draw(st.dictionaries(st.sampled_from(READ), JSON, max_size=1))
    return found


@settings(max_examples=600, deadline=None, derandomize=True)
@given(mutated() | JSON | st.dictionaries(st.sampled_from(READ), JSON))
def test_whatever_is_given_is_a_shape_or_a_fault(values: Any) -> None:
    try:
        shape = read_shape(values)
    except SpecError as error:
        assert error.faults
        assert all(fault.path.startswith("config") and fault.rule for fault in error.faults)
        return
    assert shape.parameters > 0
    assert weights_bytes(shape, Split(), 0) > 0  # what was read can be sized


def test_a_shape_does_not_depend_on_how_the_config_was_written() -> None:
    given = usual("Glm4MoeForCausalLM")
    turned = json.loads(json.dumps(dict(reversed(given.items()))))
    one, other = read_shape(given), read_shape(turned)
    assert (one.layers, one.widths, one.dtype) == (other.layers, other.widths, other.dtype)


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
