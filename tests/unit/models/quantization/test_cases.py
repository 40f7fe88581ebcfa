"""Quantized models that were once sized or split wrong, with what is right, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.models import Shape, read_shape
from rackwright.models.quantization import with_file_beside
from rackwright.planning.splitting import indivisible
from rackwright.sizing import GIB, Split, kv_bytes_per_token, weights_bytes
from tests.samples.quantized import LLAMA_70B, QWEN3_30B, QWEN35_27B

Config = dict[str, Any]
MLP_70B = 80 * 3 * 8192 * 28672
LINEAR_70B = 80 * (2 * 8192 * 8192 + 2 * 1024 * 8192) + MLP_70B
REST_70B = 2 * (2 * 128256 * 8192 + 161 * 8192 + 131072 * 128)  # tables, norms, rotary positions
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True}
INT4 = {"weights": {"num_bits": 4, "type": "int", "group_size": 128}}
EIGHT = {"num_bits": 8}


def compressed(group: Config, **more: Any) -> Config:
    return {"quant_method": "compressed-tensors", "config_groups": {"g": group}, **more}


def shape(model: Config, entry: Config) -> Shape:
    return read_shape({**model, "quantization_config": entry})


def held(found: Shape) -> int:
    return weights_bytes(found, Split(), 0)


# --- f1: gated delta net in FP8 blocks ---------------------------------------------------------

BLOCKS = {"quant_method": "fp8", "weight_block_size": [128, 128]}


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_linear_attention_in_blocks_divides_by_its_heads(ranks: int) -> None:
    """The engine lets products that it merges through; what ranks divide the inputs of is whole."""
    model = shape({"architectures": ["Qwen3_5ForCausalLM"], **QWEN35_27B}, BLOCKS)
    assert indivisible(Split(ranks), model) == ""


def test_linear_attention_in_blocks_is_refused_where_an_input_is_no_whole_block() -> None:
    small = {**QWEN35_27B, "linear_value_head_dim": 32}  # 48 * 32 / 8 = 192
    model = shape({"architectures": ["Qwen3_5ForCausalLM"], **small}, BLOCKS)
    reason = indivisible(Split(8), model)
    assert reason.startswith("linear_attn.out_proj's input 1536 divided by 8 is no multiple")


# --- f2: ModelOpt's own file -------------------------------------------------------------------


def test_a_file_of_modelopt_makes_a_model_fp8_with_half_a_cache() -> None:
    own = {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}
    found = read_shape(with_file_beside(LLAMA_70B, {"quantization": own}))
    assert held(found) == REST_70B + LINEAR_70B + 80 * 7 * 8  # two float32 a product
    assert kv_bytes_per_token(found, Split(), 0) == 80 * 8 * 2 * 128


# --- f3: names of what is ignored --------------------------------------------------------------

WRAPPED = {"architectures": ["Qwen3_5ForConditionalGeneration"], "text_config": QWEN35_27B}


def kept(before: str) -> Shape:
    names = [f"{before}.layers.{layer}.mlp.down_proj" for layer in range(64)]
    return shape(WRAPPED, compressed(INT4, ignore=names))


@pytest.mark.parametrize(
    "before", ["model", "model.language_model", "language_model.model", "language_model"]
)
def test_ignored_layers_stay_however_their_names_start(before: str) -> None:
    assert f"{held(kept(before)) / GIB:.2f}" == "24.36"


def test_ignored_layers_weigh_what_their_groups_saved() -> None:
    down = 64 * 5120 * 17408
    all_of_them = held(shape(WRAPPED, compressed(INT4)))
    assert held(kept("model")) - all_of_them == 2 * down - down // 2 - down // 128 * 2


# --- f4: GPTQ's rules --------------------------------------------------------------------------


def test_a_rule_leaves_the_mlp_as_it_is() -> None:
    packed = LINEAR_70B // 2 + LINEAR_70B // 128 * 2
    assert held(shape(LLAMA_70B, GPTQ)) == REST_70B + packed
    more = 2 * MLP_70B - MLP_70B // 2 - MLP_70B // 128 * 2
    ruled = shape(LLAMA_70B, {**GPTQ, "dynamic": {"-:.*mlp.*": {}}})
    assert held(ruled) == REST_70B + packed + more


# --- f5: experts that four ranks cannot share --------------------------------------------------

BLOCK_STRUCTURE = {"num_bits": 8, "type": "float", "strategy": "block"}
UNSHARED = {
    "fp8": BLOCKS,
    "gptq": GPTQ,
    "compressed-tensors, groups": compressed(INT4),
    "compressed-tensors, blocks": compressed(
        {
            "weights": {**BLOCK_STRUCTURE, "block_structure": [128, 128]},
            "input_activations": EIGHT,
        }
    ),
}


@pytest.mark.parametrize("entry", UNSHARED.values(), ids=UNSHARED)
def test_experts_are_shared_in_whole_blocks_alone(entry: Config) -> None:
    """768 over 4 ranks is 192. GPTQ would fall back to kernels that halve its groups."""
    model = shape(QWEN3_30B, entry)
    reason = "expert width 768 divided by 4 is no multiple of the quantization's blocks of 128"
    assert indivisible(Split(4), model) == reason
    assert indivisible(Split(2), model) == indivisible(Split(4, 1, True), model) == ""


# --- f6: 4.5 bits ------------------------------------------------------------------------------


def test_nvfp4_has_four_and_a_half_bits() -> None:
    weights = {"num_bits": 4, "type": "float", "group_size": 16}
    model = shape(LLAMA_70B, compressed({"weights": weights}, format="nvfp4-pack-quantized"))
    assert held(model) == REST_70B + LINEAR_70B * 9 // 16 + 80 * 7 * 12


# --- f7: half a cache --------------------------------------------------------------------------


def test_a_scheme_for_the_cache_halves_it() -> None:
    group = {"weights": {"num_bits": 8, "type": "float"}, "input_activations": EIGHT}
    scheme = {"num_bits": 8, "type": "float"}
    for more, size in (({}, 2), ({"kv_cache_scheme": scheme}, 1)):
        model = shape(LLAMA_70B, compressed(group, **more))
        assert kv_bytes_per_token(model, Split(), 0) == 80 * 8 * 2 * 128 * size
        assert kv_bytes_per_token(model, Split(), 0, "fp8") == 80 * 8 * 2 * 128


# --- yarn --------------------------------------------------------------------------------------


def test_yarn_stretches_its_own_length() -> None:
    scaling = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
    model = read_shape({**LLAMA_70B, "max_position_embeddings": 40960, "rope_scaling": scaling})
    assert model.max_position_embeddings == 131072
