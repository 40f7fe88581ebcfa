"""What is refused of a ``config.json``: every fault at once, and never a crash."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackwright.errors import SpecError
from rackwright.models import FAMILIES, read_shape
from rackwright.sizing import Split, weights_bytes
from tests.samples.configs import (
    BASE,
    COUNTED,
    LATENT,
    Config,
    E,
    M,
    config,
    usual,
)


def faults(values: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read_shape(values)
    return [str(fault) for fault in caught.value.faults]


def test_faults_of_the_text_half_are_named_there() -> None:
    outer = {"architectures": ["Gemma3ForConditionalGeneration"], "text_config": {}}
    assert "config.text_config.hidden_size: is required" in faults(outer)


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
        config("OpenVLAForActionPrediction"),
        [
            "config.architectures: is not supported yet, vLLM 0.32.0 serves it: its files' headers "
            "make an estimate (`tensors`), or figures by hand (docs/planner.md); the nearest by "
            "name that is known is OpenCUAForConditionalGeneration "
            "(got 'OpenVLAForActionPrediction')"
        ],
    ),
    "an architecture of a plugin": (
        config("Florence2ForConditionalGeneration"),
        [
            "config.architectures: is served by no vLLM without its plugin "
            "vllm-project/bart-plugin, which is not planned for "
            "(got 'Florence2ForConditionalGeneration')"
        ],
    ),
    "a draft": (
        config("DFlash2DraftModel"),
        [
            "config.architectures: is a draft, which vLLM 0.32.0 loads beside the model that it "
            "drafts for: size that one (got 'DFlash2DraftModel')"
        ],
    ),
    "a draft that names its model, under a name that is known": (
        config() | {"speculators_config": {"verifier": {"name_or_path": "Qwen/Qwen3-32B"}}},
        [
            "config.architectures: is a draft, which vLLM 0.32.0 loads beside Qwen/Qwen3-32B: "
            "size that one (got 'LlamaForCausalLM')"
        ],
    ),
    "a draft under its model's name, which has one layer": (
        config() | {"num_hidden_layers": 1, "hidden_size": 4096},
        [
            "config.architectures: has one layer as drafts have, which vLLM loads beside the model "
            "that it drafts for: size that one (got 'LlamaForCausalLM')"
        ],
    ),
    "an older model under the name of a newer": (
        config("HfMoondream") | {"model_type": "moondream1"},
        [
            "config.architectures: is moondream3 to vLLM 0.32.0, whose tensors a moondream1 has "
            "not: no vLLM serves it (got 'HfMoondream')"
        ],
    ),
    "a name of its own code": (
        config("QuillanForCausalLM") | {"auto_map": {"AutoModelForCausalLM": "m.Quillan"}},
        [
            "config.architectures: is no architecture that is known here or listed by vLLM 0.32.0 "
            "(vLLM 0.32.0 tries it by the code in its files, with --trust-remote-code, where its "
            "attention can be replaced): its files' headers make an estimate (`tensors`), or "
            "figures by hand (docs/planner.md) (got 'QuillanForCausalLM')"
        ],
    ),
    "a draft that does not name it": (
        config("Eagle3Speculator") | {"speculators_config": {"verifier": [1]}},
        [
            "config.architectures: is a draft, which vLLM 0.32.0 loads beside the model that it "
            "drafts for: size that one (got 'Eagle3Speculator')"
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
            "config.quantization_config: must be one of auto-round, awq, compressed-tensors, "
            "fbgemm_fp8, fp8, gptq, modelopt, mxfp4, quark, torchao, not 'magic'"
        ],
    ),
    "a dtype by its newer key": (
        {**config(), "dtype": "int4", "torch_dtype": None},
        ["config.dtype: must be bfloat16, float16 or float32 (got 'int4')"],
    ),
    "a garbled quantization": (
        config(quantization_config={"quant_method": "gptq", "bits": []}),
        ["config.quantization_config.bits: must be a whole number, 1 to 32 (got [])"],
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
    | {"rope_scaling", "rope_parameters", "original_max_position_embeddings", "mamba_ssm_dtype"}
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
        kinds = st.sampled_from(["linear", "yarn", "llama3"]) | JSON
        key = draw(st.sampled_from(["rope_scaling", "rope_parameters"]))
        scaling = {"rope_type": draw(kinds), "factor": draw(JSON)}
        found[key] = draw(st.sampled_from([scaling, {"full_attention": scaling}]))
    for key in draw(st.lists(st.sampled_from(READ), max_size=1)):
        found.pop(key, None)
    if draw(st.integers(0, 5)) == 0:
        outer = {"architectures": ["Gemma3ForConditionalGeneration"], "text_config": found}
        found = outer | draw(st.dictionaries(st.sampled_from(READ), JSON, max_size=1))
    return found


@settings(max_examples=600)
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


@pytest.mark.parametrize(("written", "read"), [("half", "float16"), ("float", "bfloat16")])
def test_a_dtype_may_have_torchs_shorter_name(written: str, read: str) -> None:
    assert read_shape({**config(), "dtype": written}).dtype == read
