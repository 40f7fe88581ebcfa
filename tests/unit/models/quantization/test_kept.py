"""Which products stay in the model's dtype: each method's own list, in the engine's reading."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models import read_shape
from rackwright.sizing import Split, weights_bytes
from tests.samples.configs import F, H, K, L, Q, config, usual
from tests.samples.quantized import ATTENTION, ATTENTION_NAMES, MLP, MLP_NAMES, left, named, scheme

Config = dict[str, Any]
MOE = usual("Qwen2MoeForCausalLM")
FP8 = {"quant_method": "fp8"}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 4}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 4}
ROUND = {"quant_method": "auto-round", "bits": 4, "group_size": 4}
ALL = L * (ATTENTION + MLP)


def ignoring(*names: str) -> Config:
    """In compressed-tensors' words."""
    return {**scheme(8, "float"), "ignore": list(names)}


def optimized(*names: str, **more: Any) -> Config:
    """In ModelOpt's."""
    own = {"quant_algo": "FP8", "exclude_modules": list(names), **more}
    return {"quant_method": "modelopt", "quantization": own}


def listed(names: dict[str, str]) -> Config:
    """In ModelOpt's where every layer has its own algorithm."""
    layers = {name: {"quant_algo": algorithm} for name, algorithm in names.items()}
    return optimized(quant_algo="MIXED_PRECISION", quantized_layers=layers)


def test_products_alone_are_quantized() -> None:
    for entry in (FP8, AWQ, GPTQ, ROUND, ignoring(), optimized()):
        assert left(entry) == 0


# --- FP8: a module stands for all inside it -----------------------------------------------------


@pytest.mark.parametrize("key", ["modules_to_not_convert", "ignored_layers"])
def test_modules_of_every_layer_stay(key: str) -> None:
    assert left({**FP8, key: named(*ATTENTION_NAMES)}) == L * ATTENTION


@pytest.mark.parametrize(
    ("modules", "kept"),
    [
        (["lm_head", "model.embed_tokens", "model.norm"], 0),
        (["model.layers.*.self_attn"], L * ATTENTION),
        (named("self_attn"), L * ATTENTION),
        (["self_attn"], L * ATTENTION),
        (["down_proj"], L * F * H),
        (named("mlp.down_proj"), L * F * H),
        (named("mlp.gate"), 0),  # the router of a mixture of experts; gate_proj is another module
        (["gate"], 0),
        (named("self_attn.q"), 0),
        (named(*MLP_NAMES, layers=(0,)), MLP),
        (named(*MLP_NAMES, layers=(0, 3)) + named(*ATTENTION_NAMES, layers=(0,)), None),
        (["model.layers.1"], ATTENTION + MLP),
        (named("self_attn.qkv_proj"), L * (Q + 2 * K) * H),
        (named("mlp.gate_up_proj", before="model.language_model"), L * 2 * F * H),
        (named("self_attn", before="language_model.model"), L * ATTENTION),
    ],
    ids=lambda value: f"{value[0]} and {len(value) - 1} more" if isinstance(value, list) else None,
)
def test_modules_stay_where_they_are_named(modules: list[str], kept: int | None) -> None:
    kept = 2 * MLP + ATTENTION if kept is None else kept
    assert left({**FP8, "modules_to_not_convert": modules}) == kept


# --- compressed-tensors: whole names, and patterns from the start -------------------------------


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("re:.*lm_head", 0),
        ("re:.*self_attn.*", L * ATTENTION),
        (r"re:.*\.self_attn\..*", L * ATTENTION),
        (r"re:.*mlp\.gate$", 0),
        (r"re:model\.layers\.\d+\.mlp\.down_proj", L * F * H),
        (r"re:model\.language_model\.layers\.\d+\.mlp\.down_proj", L * F * H),
        (r"re:.*layers\.[01]\..*", 2 * (ATTENTION + MLP)),
        (r"re:.*mlp\.(gate|up|gate_up|down)_proj.*", L * MLP),
        ("re:.*o_proj", L * Q * H),
        ("re:.*block_sparse_moe.*", L * MLP),
        ("re:visual.*", 0),
        ("re:self_attn.*", 0),  # from the start of a name
        ("self_attn", 0),  # a whole name
        ("model.layers.0.self_attn", 0),
        ("model.layers.0.mlp.down_proj", F * H),
        ("model.layers.0.mlp.gate_up_proj", 2 * F * H),
    ],
)
def test_names_and_patterns_are_matched_with_whole_names(name: str, kept: int) -> None:
    assert left(ignoring("lm_head", name)) == kept


def groups(*targets: list[str], **more: Any) -> Config:
    """A group of another number of bits for each list of targets: 8, 4."""
    found = {}
    for bits, names in zip((8, 4), targets, strict=False):
        found[f"g{bits}"] = {"targets": names, "weights": {"num_bits": bits, "group_size": 4}}
    return {"quant_method": "compressed-tensors", "config_groups": found, **more}


GROUPS: dict[str, tuple[Config, dict[int, int]]] = {
    "a class": (groups(["Linear"]), {8: ALL}),
    "a class of the engine's": (groups(["RowParallelLinear"]), {8: ALL}),
    "another class": (groups(["Embedding"]), {0: ALL}),
    "names before classes": (
        groups(["Linear"], [r"re:.*mlp.*"]),
        {8: L * ATTENTION, 4: L * MLP},
    ),
    "the first of two patterns": (
        groups([r"re:.*self_attn.*"], [r"re:.*"]),
        {8: L * ATTENTION, 4: L * MLP},
    ),
    "names": (
        groups(named("mlp.down_proj"), named("self_attn.o_proj")),
        {8: L * F * H, 4: L * Q * H, 0: ALL - L * F * H - L * Q * H},
    ),
    "shards of a merged product": (
        groups(named("mlp.gate_proj", "mlp.up_proj")),
        {8: L * 2 * F * H, 0: ALL - L * 2 * F * H},
    ),
    "the merged product": (
        groups(named("mlp.gate_up_proj", before="model.language_model")),
        {8: L * 2 * F * H, 0: ALL - L * 2 * F * H},
    ),
    "a group of the cache's alone": (groups(["Linear"], ["LlamaAttention"]), {8: ALL}),
    "ignored before all": (
        groups(["Linear"], [r"re:.*mlp.*"], ignore=["re:.*layers.0.mlp.*"]),
        {8: L * ATTENTION, 4: (L - 1) * MLP, 0: MLP},
    ),
}


def by_bits(entry: Config, model: Config | None = None) -> dict[int, int]:
    """Elements of products by how many bits they have; 0: they stay."""
    shape = read_shape({**(model or config()), "quantization_config": entry})
    found: dict[int, int] = {}
    for layer, schemes in zip(shape.layers, shape.schemes, strict=True):
        for tensor, held in zip(layer.tensors, schemes, strict=True):
            if tensor.quantizable:
                bits = held.bits if held else 0
                found[bits] = found.get(bits, 0) + tensor.elements
    return found


@pytest.mark.parametrize(("entry", "expected"), GROUPS.values(), ids=GROUPS)
def test_each_group_has_its_targets(entry: Config, expected: dict[int, int]) -> None:
    assert by_bits(entry) == expected


# --- ModelOpt: exact, anywhere, wildcards -------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("lm_head", 0),
        ("model.layers.0.mlp.down_proj", F * H),  # exact
        ("model.layers.0.mlp", MLP),  # anywhere in a name
        ("model.layers.0.self_attn*", ATTENTION),  # the module and all inside it
        ("model.language_model.layers.0.self_attn*", ATTENTION),
        ("language_model.model.layers.0.mlp", MLP),
        ("layers.1.mlp", MLP),
        ("model.layers.0.*", ATTENTION + MLP),
        ("*.mlp.*", L * MLP),
        ("*down_proj", L * F * H),
        ("down_proj", L * F * H),
        ("gate", L * 2 * F * H),  # it is in gate_up_proj
        ("vision_tower*", 0),
        ("mtp*", 0),
    ],
)
def test_modelopt_looks_for_names_in_three_ways(name: str, kept: int) -> None:
    assert left(optimized(name)) == kept
    assert left({"quant_method": "modelopt", "quant_algo": "FP8", "ignore": [name]}) == kept


def test_the_first_layer_s_name_is_in_the_tenth_s() -> None:
    many = {"num_hidden_layers": 12}
    assert left(optimized("model.layers.1*"), **many) == 3 * (ATTENTION + MLP)
    assert left(optimized("model.layers.1.*"), **many) == ATTENTION + MLP


def test_shards_of_a_merged_product_count_by_whole_names() -> None:
    shards = named("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
    assert left(optimized(*shards)) == L * (Q + 2 * K) * H
    assert left(optimized("self_attn.q_proj")) == 0


def test_mixed_precision_quantizes_what_it_names() -> None:
    qkv = dict.fromkeys(named(*ATTENTION_NAMES[:3]), "FP8")
    down = dict.fromkeys(named("mlp.down_proj", before="model.language_model"), "NVFP4")
    found = by_bits(listed({**qkv, **down}))
    assert found == {8: L * (Q + 2 * K) * H, 4: L * F * H, 0: L * (Q * H + 2 * F * H)}


EXPERTS = L * 6 * 3 * 40 * H


@pytest.mark.parametrize(
    "name",
    [
        "mlp.experts",
        "mlp.experts.0.up_proj",
        "mlp.experts.*.up_proj",
        "mlp.up_proj",  # beside it: so a fused one is called
    ],
)
def test_mixed_precision_names_experts_by_any_of_them(name: str) -> None:
    layers = dict.fromkeys(named(name), "W4A16_NVFP4")
    assert by_bits(listed(layers), MOE)[4] == EXPERTS


# --- GPTQ: the first rule that matches ----------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, {4: ALL}),
        ({"-:.*mlp.*": {}}, {4: L * ATTENTION, 0: L * MLP}),
        ({"+:.*mlp.*": {"bits": 8}}, {4: L * ATTENTION, 8: L * MLP}),
        ({".*mlp.*": {"bits": 8}}, {4: L * ATTENTION, 8: L * MLP}),
        (
            {r"+:.*\.layers\.0\..*": {"bits": 8}, "-:.*mlp.*": {}},
            {8: ATTENTION + MLP, 4: (L - 1) * ATTENTION, 0: (L - 1) * MLP},
        ),
        ({"-:mlp.*": {}}, {4: ALL}),  # from the start of a name
        ({"-:.*qkv_proj": {}}, {0: L * (Q + 2 * K) * H, 4: ALL - L * (Q + 2 * K) * H}),
        ({"-:.*q_proj": {}}, {4: ALL}),  # which the engine has merged
    ],
)
def test_rules_hold_in_their_order(rules: Config, expected: dict[int, int]) -> None:
    assert by_bits({**GPTQ, "dynamic": rules}) == expected


def test_modules_in_a_block_alone_are_quantized() -> None:
    for modules in (["mlp.gate_proj", "mlp.up_proj"], [["mlp.gate_proj", "mlp.up_proj"]]):
        entry = {**GPTQ, "modules_in_block_to_quantize": modules}
        assert by_bits(entry) == {4: L * 2 * F * H, 0: ALL - L * 2 * F * H}


# --- AWQ: anywhere in a name --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modules", "kept"),
    [
        (["visual"], 0),
        (["mlp"], L * MLP),
        (["self_attn.o_proj"], L * Q * H),
        (["layers.0."], ATTENTION + MLP),
        (["qkv_proj"], L * (Q + 2 * K) * H),
        (["down"], L * F * H),
    ],
)
def test_awq_looks_for_parts_of_names(modules: list[str], kept: int) -> None:
    assert left({**AWQ, "modules_to_not_convert": modules}) == kept


def test_awq_means_a_router_by_gate_where_there_are_experts() -> None:
    """As AutoAWQ writes it of Mixtral and Qwen3-30B-A3B: their experts are quantized."""
    mixtral = usual("MixtralForCausalLM")
    plain = weights_bytes(read_shape({**mixtral, "quantization_config": AWQ}), Split(), 0)
    named = {**AWQ, "modules_to_not_convert": ["gate"]}
    shape = read_shape({**mixtral, "quantization_config": named})
    assert weights_bytes(shape, Split(), 0) == plain


# --- AutoRound ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"extra_config": {"model.layers.0.mlp.down_proj": {"bits": 16}}}, {0: F * H}),
        ({"extra_config": {"mlp.down_proj": {"bits": 8}}}, {8: L * F * H}),
        ({"extra_config": {r".*self_attn.*": {"bits": 16}}}, {0: L * ATTENTION}),
        ({"extra_config": {key: {"bits": 8} for key in named(*MLP_NAMES[:2])}}, {8: L * 2 * F * H}),
        ({"extra_config": {"lm_head": {"bits": 8}}}, {}),
        ({"block_name_to_quantize": "model.layers.0,model.layers.1"}, {0: 2 * (ATTENTION + MLP)}),
        ({"to_quant_block_names": ["model.layers.0"]}, {0: 3 * (ATTENTION + MLP)}),
    ],
)
def test_autoround_has_rules_of_its_own(more: Config, expected: dict[int, int]) -> None:
    rest = ALL - sum(expected.values())
    assert by_bits({**ROUND, **more}) == {4: rest, **expected}


# --- experts, heads, what is made beside --------------------------------------------------------


def test_experts_are_named_by_number_in_lists() -> None:
    kinds = ("gate", "up", "down")
    names = [f"mlp.experts.{number}.{kind}_proj" for number in range(6) for kind in kinds]
    listed_ = named(*names)
    for entry in (
        {**FP8, "modules_to_not_convert": listed_},
        ignoring(*listed_),
        optimized(*listed_),
        {**ignoring(), "ignore": [r"re:.*mlp\.experts\.\d+\..*"]},
        {**GPTQ, "dynamic": {r"-:.*mlp\.experts.*": {}}},
    ):
        assert by_bits(entry, MOE)[0] == EXPERTS


def test_experts_alone_are_in_mxfp4() -> None:
    entry = {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn"]}
    assert by_bits(entry, usual("MixtralForCausalLM"))[4] == EXPERTS


@pytest.mark.parametrize(
    ("entry", "quantized"),
    [
        (FP8, False),
        (ignoring(), False),
        (groups([r"re:.*lm_head"]), True),
        (optimized(), True),
        (optimized("lm_head"), False),
        (listed({"lm_head": "NVFP4"}), True),
        (GPTQ, False),
        ({**GPTQ, "lm_head": True}, True),
        ({**AWQ, "lm_head": True}, True),
        (ROUND, False),
        ({**ROUND, "extra_config": {"lm_head": {"bits": 8}}}, True),
    ],
)
def test_the_table_of_outputs_is_quantized_where_it_is_said(entry: Config, quantized: bool) -> None:
    shape = read_shape(config(quantization_config=entry))
    assert bool(shape.head_scheme) is quantized
    tied = read_shape(config(quantization_config=entry, tie_word_embeddings=True))
    assert tied.head_scheme is None


@pytest.mark.parametrize("ignored", [[], ["kv_b_proj"]])
def test_keys_are_multiplied_in_a_second_time_where_they_are_quantized(ignored: list[str]) -> None:
    """MLA's up-projection is copied in the model's dtype: all of it where it is in 8 bits."""
    model = usual("DeepseekV2ForCausalLM")
    plain = weights_bytes(read_shape(model), Split(), 0)
    entry = {**FP8, "modules_to_not_convert": ignored}
    shape = read_shape({**model, "quantization_config": entry})
    pairs = [
        (tensor, held)
        for layer, schemes in zip(shape.layers, shape.schemes, strict=True)
        for tensor, held in zip(layer.tensors, schemes, strict=True)
        if tensor.quantizable and held
    ]
    saved = sum(tensor.elements - 4 * tensor.copies for tensor, _ in pairs)
    keys = 0 if ignored else L * 4 * 12 * 20
    assert plain - weights_bytes(shape, Split(), 0) == saved - 2 * keys


# --- what the engine refuses --------------------------------------------------------------------

PART = {
    "fp8": {**FP8, "modules_to_not_convert": named("self_attn.q_proj")},
    "awq": {**AWQ, "modules_to_not_convert": ["self_attn.q_proj"]},
    "compressed-tensors": ignoring("model.layers.0.mlp.up_proj"),
    "modelopt": optimized("model.layers.0.mlp.up_proj"),
    "mixed": listed({"model.layers.0.mlp.up_proj": "FP8", "model.layers.0.mlp.gate_proj": "NVFP4"}),
    "gptq": {**GPTQ, "modules_in_block_to_quantize": ["mlp.up_proj"]},
    "auto-round": {**ROUND, "extra_config": {"model.layers.0.mlp.up_proj": {"bits": 8}}},
}


@pytest.mark.parametrize("entry", PART.values(), ids=PART)
def test_a_merged_product_is_quantized_as_a_whole_or_not_at_all(entry: Config) -> None:
    with pytest.raises(SpecError) as caught:
        read_shape(config(quantization_config=entry))
    (fault,) = map(str, caught.value.faults)
    said = r"config.quantization_config: quantizes model\.layers\.0\.\S+ in part: the engine needs"
    assert re.match(said, fault)
