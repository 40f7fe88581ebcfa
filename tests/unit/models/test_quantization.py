"""Quantizations as checkpoints name them: what they say, what they cover, what they weigh."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models import NAMED, Quantization, Shape, read_shape
from rackwright.models.quantization import read_quantization
from rackwright.sizing import Split, weights_bytes
from tests.samples.configs import D, F, H, K, L, Q, config, usual

Config = dict[str, Any]


def scheme(bits: int, kind: str = "int", group: int | None = None, inputs: bool = True) -> Config:
    """A compressed-tensors entry with one group of layers."""
    weights = {"num_bits": bits, "type": kind, "group_size": group, "strategy": "channel"}
    activations = {"num_bits": 8, "type": kind} if inputs else None
    return {
        "quant_method": "compressed-tensors",
        "config_groups": {
            "group_0": {
                "targets": ["Linear"],
                "weights": weights,
                "input_activations": activations,
            }
        },
    }


READ: dict[str, tuple[Config, Quantization]] = {
    "fp8 by block": (
        {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]},
        Quantization("fp8", 8, group=128 * 128, scale_bytes=4.0, compute="fp8", block=128),
    ),
    "fp8 by tensor": (
        {"quant_method": "fp8", "activation_scheme": "static"},
        Quantization("fp8", 8, compute="fp8"),
    ),
    "fp8 without a block": (
        {"quant_method": "fp8", "weight_block_size": None, "modules_to_not_convert": None},
        Quantization("fp8", 8, compute="fp8"),
    ),
    "fbgemm_fp8": ({"quant_method": "fbgemm_fp8"}, Quantization("fp8", 8, compute="fp8")),
    "in capitals": ({"quant_method": "FP8"}, Quantization("fp8", 8, compute="fp8")),
    "awq": (  # of a group a scale in 16 bits, a zero in 4, and that zero in 16
        {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True},
        Quantization("awq", 4, group=128, scale_bytes=4.5, block=128),
    ),
    "gptq, symmetric": (
        {"quant_method": "gptq", "bits": 4, "group_size": 64, "sym": True},
        Quantization("gptq", 4, group=64, scale_bytes=2.0, block=64),
    ),
    "gptq, asymmetric": (
        {"quant_method": "gptq", "bits": 8, "group_size": 32, "sym": False},
        Quantization("gptq", 8, group=32, scale_bytes=5.0, block=32),
    ),
    "gptq, a group a column": (
        {"quant_method": "gptq", "bits": 4, "group_size": -1},
        Quantization("gptq", 4, group=0, scale_bytes=2.0, block=1),
    ),
    "gptq, the usual group": (
        {"quant_method": "gptq", "bits": 4},
        Quantization("gptq", 4, group=128, scale_bytes=2.0, block=128),
    ),
    "mxfp4": (
        {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn"]},
        Quantization("mxfp4", 4, group=32, scale_bytes=1.0, experts_only=True),
    ),
    "compressed-tensors, int8": (
        scheme(8),
        Quantization("compressed-tensors", 8, compute="int8"),
    ),
    "compressed-tensors, fp8": (
        scheme(8, "float"),
        Quantization("compressed-tensors", 8, compute="fp8"),
    ),
    "compressed-tensors, int8 weights only": (
        scheme(8, inputs=False),
        Quantization("compressed-tensors", 8),
    ),
}


@pytest.mark.parametrize(("entry", "expected"), READ.values(), ids=READ)
def test_a_method_is_read(entry: Config, expected: Quantization) -> None:
    assert read_quantization({"quantization_config": entry}) == expected


def test_int4_groups_of_compressed_tensors_have_a_scale_each() -> None:
    found = read_quantization({"quantization_config": scheme(4, group=128, inputs=False)})
    assert found
    assert (found.bits, found.group, found.scale_bytes) == (4, 128, 2.0)
    assert found.compute == Quantization("plain", 16).compute


@pytest.mark.parametrize("values", [{}, {"quantization_config": None}, {"quantization_config": {}}])
def test_no_entry_is_no_quantization(values: Config) -> None:
    assert read_quantization(values) is None


KNOWN = "must be one of awq, compressed-tensors, fbgemm_fp8, fp8, gptq, mxfp4, not"
REFUSED: dict[str, tuple[Any, str]] = {
    "unknown": ({"quant_method": "magic"}, f"{KNOWN} 'magic'"),
    "unnamed": ({"bits": 4}, f"{KNOWN} 'without quant_method'"),
    "null": ({"quant_method": None}, f"{KNOWN} 'none'"),
    "several groups": (
        {"quant_method": "compressed-tensors", "config_groups": {"a": {}, "b": {}}},
        "must have one entry in config_groups (several are not judged)",
    ),
    "no groups": (
        {"quant_method": "compressed-tensors"},
        "must have one entry in config_groups (several are not judged)",
    ),
    "a group without weights": (
        {"quant_method": "compressed-tensors", "config_groups": {"a": {}}},
        "cannot be read",
    ),
    "groups in a list": (
        {"quant_method": "compressed-tensors", "config_groups": [1]},
        "cannot be read",
    ),
    "gptq without bits": ({"quant_method": "gptq"}, "cannot be read"),
    "no dict": ("fp8", "cannot be read"),
    "a list of other things": (
        {"quant_method": "fp8", "modules_to_not_convert": [1]},
        "cannot be read",
    ),
    "half a block": ({"quant_method": "fp8", "weight_block_size": [128]}, "cannot be read"),
}


@pytest.mark.parametrize(("entry", "rule"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_judged_is_a_fault(entry: Any, rule: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_shape(config(quantization_config=entry))
    assert [str(fault) for fault in caught.value.faults] == [f"config.quantization_config: {rule}"]


@pytest.mark.parametrize(
    "entry",
    [
        {"quant_method": "gptq", "bits": 0},
        {"quant_method": "gptq", "bits": -4},
        {"quant_method": "gptq", "bits": 1e400},
        {"quant_method": "fp8", "weight_block_size": [0, 128]},
        {"quant_method": "fp8", "weight_block_size": [-1, 128]},
        {**scheme(8), "ignore": ["re:["]},
        {"quant_method": "fp8", "modules_to_not_convert": 3},
    ],
)
def test_nonsense_is_a_fault_and_never_an_error_later(entry: Config) -> None:
    with pytest.raises(SpecError, match=r"config.quantization_config: "):
        read_shape(config(quantization_config=entry))


WEIGHT = {
    "fp8": (NAMED["fp8"], 256, 512, 256 * 512),
    "fp8 by block": (
        Quantization("fp8", 8, 128 * 128, 4.0, "fp8", block=128),
        256,
        512,
        256 * 512 + 8 * 4,
    ),
    "the last block is a whole one": (
        Quantization("fp8", 8, 128 * 128, 4.0, "fp8", block=128),
        100,
        100,
        100 * 100 + 4,
    ),
    "int8": (NAMED["int8"], 3, 5, 15),
    "awq": (NAMED["awq"], 128, 64, 128 * 64 // 2 + 64 * (2 + 2) + 64 // 2),
    "gptq": (NAMED["gptq"], 128, 64, 128 * 64 // 2 + 64 * 2),
    "mxfp4": (NAMED["mxfp4"], 32, 32, 32 * 32 // 2 + 32),
    "three bits": (Quantization("gptq", 3, group=64, scale_bytes=2.0), 64, 8, 64 * 3 + 8 * 2),
}


@pytest.mark.parametrize(("kind", "rows", "columns", "expected"), WEIGHT.values(), ids=WEIGHT)
def test_a_matrix_weighs_its_elements_and_scales(
    kind: Quantization, rows: int, columns: int, expected: int
) -> None:
    assert kind.bytes_of(rows, columns) == expected


def test_names_an_operator_gives_cover_every_linear_layer() -> None:
    for name in ("self_attn.q_proj", "mlp.up_proj", "mlp.experts.up_proj"):
        covered = {key for key, kind in NAMED.items() if kind.covers(name)}
        others = set(NAMED) - {"mxfp4"}
        assert covered == (set(NAMED) if ".experts." in name else others)
    assert [key for key, kind in NAMED.items() if kind.online] == ["fp8"]


PADDED = 128  # the vocabulary of 100, as the engine pads it
TABLES = 2 * 2 * PADDED * H  # both, in 16 bits, as everything that is no linear layer of a decoder
OTHER = TABLES + 2 * H * (2 * L + 1) + 2 * 512 * D  # norms, and rotary positions
ATTENTION, MLP = 2 * Q * H + 2 * K * H, 3 * F * H


def sized(**entry: Any) -> int:
    """Bytes of the small Llama in 8 bits beside what is kept; no scales."""
    entry = {"quant_method": "fp8", **entry}
    return weights_bytes(read_shape(config(quantization_config=entry)), Split(), 0)


def ignoring(*modules: str) -> int:
    """The same, in compressed-tensors' words."""
    entry = {**scheme(8, "float"), "ignore": list(modules)}
    return weights_bytes(read_shape(config(quantization_config=entry)), Split(), 0)


WHOLE = OTHER + L * (ATTENTION + MLP)


def named(*names: str, layers: range | tuple[int, ...] = range(L)) -> list[str]:
    return [f"model.layers.{layer}.{name}" for layer in layers for name in names]


ATTENTION_NAMES = tuple(f"self_attn.{kind}_proj" for kind in "qkvo")
MLP_NAMES = ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")


def test_linear_layers_alone_are_quantized() -> None:
    assert sized() == ignoring() == WHOLE


@pytest.mark.parametrize("key", ["modules_to_not_convert", "ignored_layers"])
def test_modules_of_every_layer_stay(key: str) -> None:
    assert sized(**{key: named(*ATTENTION_NAMES)}) == WHOLE + L * ATTENTION


@pytest.mark.parametrize(
    ("modules", "kept"),
    [
        (["lm_head"], 0),
        (["lm_head", "model.embed_tokens", "model.norm"], 0),
        (["model.layers.*.self_attn"], L * ATTENTION),
        (named("self_attn"), L * ATTENTION),
        (["self_attn"], L * ATTENTION),
        (["down_proj"], L * F * H),
        (named("mlp.down_proj"), L * F * H),
        (named("mlp.gate"), 0),  # the router of a mixture of experts; gate_proj is another module
        (named("self_attn.q"), 0),
        (named(*MLP_NAMES, layers=(0,)), MLP),
        (named(*MLP_NAMES, layers=(0, L - 1)) + named(*ATTENTION_NAMES, layers=(0,)), None),
        (["model.layers.1"], ATTENTION + MLP),
    ],
    ids=lambda value: f"{value[0]} and {len(value) - 1} more" if isinstance(value, list) else None,
)
def test_modules_stay_where_they_are_named(modules: list[str], kept: int | None) -> None:
    kept = 2 * MLP + ATTENTION if kept is None else kept
    assert sized(modules_to_not_convert=modules) == WHOLE + kept


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ("re:.*lm_head", 0),
        ("re:.*self_attn.*", L * ATTENTION),
        (r"re:.*\.self_attn\..*", L * ATTENTION),
        (r"re:.*mlp\.gate$", 0),
        ("re:.*mlp.gate$", 0),
        (r"re:model\.layers\.\d+\.mlp\.down_proj", L * F * H),
        (r"re:.*layers\.[01]\..*", 2 * (ATTENTION + MLP)),
        ("re:.*o_proj", L * Q * H),
        ("re:visual.*", 0),
    ],
)
def test_patterns_are_matched_with_whole_names(pattern: str, kept: int) -> None:
    assert ignoring("lm_head", pattern) == WHOLE + kept


def test_the_first_and_last_layers_of_llama_405b_alone_stay() -> None:
    """Which FBGEMM's release names one by one: two MLPs and one attention of 126 layers."""
    modules = named(*MLP_NAMES, layers=(0, 125)) + named(*ATTENTION_NAMES, layers=(0,))
    large = {
        "hidden_size": 16384,
        "intermediate_size": 53248,
        "num_hidden_layers": 126,
        "num_attention_heads": 128,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 128256,
    }
    entry = {"quant_method": "fbgemm_fp8", "modules_to_not_convert": modules}
    shape = read_shape(config(**large, quantization_config=entry))
    mlp, attention = 3 * 16384 * 53248, 2 * 16384 * 16384 + 2 * 1024 * 16384
    other = 2 * (2 * 128256 * 16384 + (2 * 126 + 1) * 16384 + 512 * 128)
    expected = other + 126 * (mlp + attention) + 2 * mlp + attention
    assert weights_bytes(shape, Split(), 0) == expected


def moe(architecture: str, **entry: Any) -> Shape:
    return read_shape({**usual(architecture), "quantization_config": entry})


def test_experts_alone_are_in_mxfp4() -> None:
    plain, packed = moe("MixtralForCausalLM"), moe("MixtralForCausalLM", quant_method="mxfp4")
    experts = L * 6 * 3 * 40 * H
    saved = weights_bytes(plain, Split(), 0) - weights_bytes(packed, Split(), 0)
    assert saved == 2 * experts - experts // 2 - experts // 32


def test_experts_are_named_by_number_in_lists() -> None:
    experts = [
        f"model.layers.{layer}.mlp.experts.{number}.{kind}_proj"
        for layer in range(L)
        for number in range(6)
        for kind in ("gate", "up", "down")
    ]
    kept = moe("Qwen2MoeForCausalLM", quant_method="fp8", modules_to_not_convert=experts)
    whole = moe("Qwen2MoeForCausalLM", quant_method="fp8")
    more = weights_bytes(kept, Split(), 0) - weights_bytes(whole, Split(), 0)
    assert more == L * 6 * 3 * 40 * H


def test_what_the_engine_multiplies_in_is_never_quantized() -> None:
    """MLA's up-projection is copied in the model's dtype: all of it where it is in 8 bits."""
    plain, packed = moe("DeepseekV2ForCausalLM"), moe("DeepseekV2ForCausalLM", quant_method="fp8")
    linear = sum(
        tensor.elements for layer in plain.layers for tensor in layer.tensors if tensor.quantizable
    )
    keys = L * 4 * 12 * 20
    saved = weights_bytes(plain, Split(), 0) - weights_bytes(packed, Split(), 0)
    assert saved == linear - 2 * keys


def test_what_is_quantized_while_loading_is_the_same_shape_otherwise() -> None:
    shape = read_shape(config())
    online = shape.with_quantization(NAMED["fp8"])
    assert weights_bytes(online, Split(), 0) == WHOLE
    assert online.parameters == shape.parameters
    assert online.with_quantization(None).quantization is None
