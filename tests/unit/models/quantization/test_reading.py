"""What a ``quantization_config`` says: methods, formats, the KV cache, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models import NAMED, Scheme, read_shape
from rackwright.models.quantization import read_quantization, with_file_beside
from rackwright.models.quantization.scheme import (
    FP8,
    FP8_ROWS,
    FP8_STATIC,
    INT8_ROWS,
    MXFP4,
    MXFP4_GROUPS,
    MXFP8,
    NVFP4,
    fp8_blocks,
    in_groups,
)
from rackwright.sizing import Split
from rackwright.sizing.kv_cache import layer_kv_bytes
from tests.samples.configs import config, usual
from tests.samples.quantized import scheme

Config = dict[str, Any]
DYNAMIC = {"num_bits": 8, "type": "float", "dynamic": True}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128}
ROUND = {"quant_method": "auto-round", "bits": 4, "group_size": 128}


def grouped(weights: Config, inputs: Config | None = None, **more: Any) -> Config:
    group = {"targets": ["Linear"], "weights": weights, "input_activations": inputs}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}, **more}


def floats(bits: int, **more: Any) -> Config:
    return {"num_bits": bits, "type": "float", **more}


def ints(bits: int, **more: Any) -> Config:
    return {"num_bits": bits, "type": "int", **more}


def optimized(algorithm: str, **more: Any) -> Config:
    return {"quant_method": "modelopt", "quantization": {"quant_algo": algorithm, **more}}


WEIGHT_ONLY = fp8_blocks(128, 128, merged=True, compute="bf16")
READ: dict[str, tuple[Config, str, Scheme]] = {
    "fp8 by block": (
        {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]},
        "fp8",
        fp8_blocks(128, 128),
    ),
    "fp8, static": ({"quant_method": "fp8", "activation_scheme": "static"}, "fp8", FP8_STATIC),
    "fp8 without a block": ({"quant_method": "fp8", "weight_block_size": None}, "fp8", FP8),
    "fbgemm_fp8": ({"quant_method": "fbgemm_fp8"}, "fp8", FP8_ROWS),
    "in capitals": ({"quant_method": "FP8"}, "fp8", FP8),
    "awq": ({**AWQ, "zero_point": True}, "awq", NAMED["awq"].usual),
    "awq without zeros": ({**AWQ, "zero_point": False}, "awq", in_groups(4, 128)),
    "awq in older words": (
        {"quant_method": "awq", "w_bit": 4, "q_group_size": 64},
        "awq",
        in_groups(4, 64, zeros=True),
    ),
    "gptq": ({**GPTQ, "sym": True}, "gptq", in_groups(4, 128)),
    "gptq of 8 bits": ({**GPTQ, "bits": 8}, "gptq", in_groups(8, 128)),
    "gptq, a group an output": ({**GPTQ, "group_size": -1}, "gptq", in_groups(4, 0)),
    "gptq, the usual group": ({"quant_method": "gptq", "bits": 4}, "gptq", in_groups(4, 128)),
    "gptq, ordered as one group": (
        {**GPTQ, "group_size": -1, "desc_act": True},
        "gptq",
        in_groups(4, 0),
    ),
    "mxfp4": ({"quant_method": "mxfp4"}, "mxfp4", MXFP4),
    "auto-round": (ROUND, "auto-round", in_groups(4, 128)),
    "auto-round of 2 bits": ({**ROUND, "bits": 2}, "auto-round", in_groups(2, 128)),
    "auto-round as awq": (
        {**ROUND, "packing_format": "auto_round:auto_awq", "sym": False},
        "auto-round",
        in_groups(4, 128, zeros=True),
    ),
    "auto-round, mxfp4": (
        {**ROUND, "data_type": "mx_fp", "group_size": 32},
        "auto-round",
        MXFP4_GROUPS,
    ),
    "auto-round, mxfp8": (
        {**ROUND, "data_type": "mx_fp8", "bits": 8, "group_size": 32},
        "auto-round",
        MXFP8,
    ),
    "auto-round, fp8 blocks": (
        {**ROUND, "data_type": "fp", "bits": 8, "group_size": [128, 128]},
        "auto-round",
        fp8_blocks(128, 128),
    ),
    "inc": ({**ROUND, "quant_method": "inc"}, "auto-round", in_groups(4, 128)),
    "int8": (scheme(8), "compressed-tensors", INT8_ROWS),
    "int8 weights": (scheme(8, inputs=False), "compressed-tensors", in_groups(8, 0)),
    "int8 weights in groups": (
        grouped(ints(8, group_size=128), format="pack-quantized"),
        "compressed-tensors",
        in_groups(8, 128),
    ),
    "int4": (
        grouped(ints(4, group_size=32), format="pack-quantized"),
        "compressed-tensors",
        in_groups(4, 32),
    ),
    "int4, asymmetric": (
        grouped(ints(4, group_size=32, symmetric=False, actorder="static")),
        "compressed-tensors",
        in_groups(4, 32, zeros=True),
    ),
    "fp8 by channel": (
        grouped(floats(8, strategy="channel"), DYNAMIC, format="float-quantized"),
        "compressed-tensors",
        FP8_ROWS,
    ),
    "fp8 by tensor": (grouped(floats(8), DYNAMIC), "compressed-tensors", FP8),
    "fp8 blocks": (
        grouped(floats(8, strategy="block", block_structure=[128, 128]), DYNAMIC),
        "compressed-tensors",
        fp8_blocks(128, 128, merged=True),
    ),
    "fp8 blocks in older words": (
        grouped(floats(8, strategy="block", block_structure="128x128")),
        "compressed-tensors",
        WEIGHT_ONLY,
    ),
    "nvfp4": (
        grouped(floats(4, group_size=16), format="nvfp4-pack-quantized"),
        "compressed-tensors",
        NVFP4,
    ),
    "mxfp4 packed": (
        grouped(floats(4, group_size=32), format="mxfp4-pack-quantized"),
        "compressed-tensors",
        MXFP4_GROUPS,
    ),
    "mxfp8 of compressed-tensors": (
        grouped(floats(8, group_size=32, scale_dtype="torch.uint8")),
        "compressed-tensors",
        MXFP8,
    ),
    "with an underscore": (
        {**scheme(8), "quant_method": "compressed_tensors"},
        "compressed-tensors",
        INT8_ROWS,
    ),
    "modelopt fp8": (optimized("FP8"), "modelopt", FP8_STATIC),
    "modelopt fp8 by channel": (optimized("FP8_PER_CHANNEL_PER_TOKEN"), "modelopt", FP8_ROWS),
    "modelopt fp8 blocks": (optimized("fp8_pb_wo"), "modelopt", fp8_blocks(128, 128, merged=True)),
    "modelopt nvfp4": (optimized("NVFP4", group_size=16), "modelopt", NVFP4),
    "modelopt nvfp4, weights": (optimized("W4A16_NVFP4"), "modelopt", NVFP4),
    "modelopt mxfp8": (optimized("MXFP8"), "modelopt", MXFP8),
    "modelopt in config.json": (
        {"quant_method": "modelopt_fp4", "quant_algo": "NVFP4", "ignore": ["lm_head"]},
        "modelopt",
        NVFP4,
    ),
    "modelopt unnamed": (
        {"producer": {"name": "modelopt"}, "quant_algo": "FP8"},
        "modelopt",
        FP8_STATIC,
    ),
    "modelopt mixed": (
        optimized(
            "MIXED_PRECISION",
            quantized_layers={"a.q": {"quant_algo": "FP8"}, "a.b": {"quant_algo": "NVFP4"}},
        ),
        "modelopt",
        NVFP4,
    ),
}


@pytest.mark.parametrize(("entry", "method", "usual"), READ.values(), ids=READ)
def test_a_method_is_read(entry: Config, method: str, usual: Scheme) -> None:
    found = read_quantization({"quantization_config": entry})
    assert found
    assert (found.method, found.usual, found.online) == (method, usual, False)


@pytest.mark.parametrize("values", [{}, {"quantization_config": None}, {"quantization_config": {}}])
def test_no_entry_is_no_quantization(values: Config) -> None:
    assert read_quantization(values) is None


def test_experts_of_four_bits_and_eight_bit_inputs_are_wide() -> None:
    found = read_quantization({"quantization_config": grouped(ints(4, group_size=128), DYNAMIC)})
    assert found and (found.usual.widths, found.usual.inputs, found.compute) == (256, 128, "fp8")


def test_names_an_operator_gives() -> None:
    assert [key for key, kind in NAMED.items() if kind.online] == ["fp8"]
    assert {key: kind.compute for key, kind in NAMED.items()} == {
        "fp8": "fp8",
        "int8": "int8",
        "awq": "bf16",
        "gptq": "bf16",
        "mxfp4": "bf16",
    }


# --- the KV cache ------------------------------------------------------------------------------

STILL = {"num_bits": 8, "type": "float", "dynamic": False}
KV: dict[str, tuple[Config, str]] = {
    "modelopt": (optimized("FP8", kv_cache_quant_algo="FP8"), "fp8"),
    "modelopt in small letters": (optimized("NVFP4", kv_cache_quant_algo="fp8"), "fp8"),
    "modelopt in four bits": (optimized("NVFP4", kv_cache_quant_algo="NVFP4"), "nvfp4"),
    "modelopt in four bits, in config.json": (
        {
            "quant_method": "modelopt",
            "quant_algo": "FP8",
            "kv_cache_scheme": {"num_bits": 4, "type": "float", "dynamic": True},
        },
        "nvfp4",
    ),
    "modelopt without": (optimized("FP8", kv_cache_quant_algo=None), "bfloat16"),
    "modelopt, a scheme of four bits": (
        optimized("NVFP4", kv_cache_scheme={"type": "float", "num_bits": 4, "dynamic": False}),
        "nvfp4",
    ),
    "modelopt, unknown": (optimized("FP8", kv_cache_quant_algo="INT3"), "bfloat16"),
    "modelopt in config.json": (
        {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_scheme": STILL},
        "fp8",
    ),
    "modelopt, of the moment": (
        {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_scheme": DYNAMIC},
        "bfloat16",
    ),
    "compressed-tensors": ({**scheme(8), "kv_cache_scheme": STILL}, "fp8"),
    "compressed-tensors without": ({**scheme(8), "kv_cache_scheme": None}, "bfloat16"),
    "another method": ({"quant_method": "fp8", "kv_cache_scheme": STILL}, "bfloat16"),
}


@pytest.mark.parametrize(("entry", "dtype"), KV.values(), ids=KV)
def test_a_checkpoint_says_what_its_cache_is_kept_in(entry: Config, dtype: str) -> None:
    assert read_shape(config(quantization_config=entry)).kv_cache_dtype == dtype


def test_a_cache_in_four_bits_has_a_scale_for_each_sixteen() -> None:
    asked = optimized("FP8", kv_cache_quant_algo="NVFP4")
    shape = read_shape({**usual("LlamaForCausalLM"), "head_dim": 128, "quantization_config": asked})
    (layer,) = set(shape.layers)
    heads, head = layer.kv.heads, 128
    size = layer_kv_bytes(shape, layer.kv, Split(), "auto")
    assert size == heads * 2 * (head // 2 + head // 16)


def test_sparse_latent_attention_is_packed_in_fp8() -> None:
    """512 elements in 8 bits, four scales in float32, 64 positions in 16 bits: fp8_ds_mla."""
    model = {**usual("DeepseekV32ForCausalLM"), "kv_lora_rank": 512, "qk_rope_head_dim": 64}
    kept = optimized("FP8", kv_cache_quant_algo="FP8")
    (size,) = {
        layer_kv_bytes(shape, layer.kv, Split(), "auto") - layer.kv.beside_bytes
        for shape in [read_shape({**model, "quantization_config": kept})]
        for layer in shape.layers
    }
    assert size == 512 + 4 * 4 + 64 * 2 == 656


# --- the file beside ---------------------------------------------------------------------------


def test_a_file_beside_counts_where_the_config_says_nothing() -> None:
    own = {"quantization": {"quant_algo": "FP8"}}
    found = read_quantization(with_file_beside({"hidden_size": 8}, own))
    assert found and found.method == "modelopt"
    said = {"quantization_config": {"quant_method": "fp8"}}
    assert with_file_beside(said, own) == said
    assert with_file_beside({"hidden_size": 8}, None) == {"hidden_size": 8}


# --- what is refused ---------------------------------------------------------------------------

KNOWN = (
    "must be one of auto-round, awq, compressed-tensors, fbgemm_fp8, fp8, gptq, modelopt, mxfp4, "
    "quark, torchao"
)
INSTEAD = "take the model in another format (FP8, AWQ, GPTQ of 4 or 8 bits, NVFP4) or unquantized"
REFUSED: dict[str, tuple[Any, str]] = {
    "unknown": ({"quant_method": "magic"}, f"{KNOWN}, not 'magic'"),
    "mlx": (
        {"bits": 4, "group_size": 64, "mode": "affine"},
        f"names no quant_method, as files for MLX do, which vLLM does not serve; {INSTEAD}",
    ),
    "unnamed": ({"bits": 4}, f"{KNOWN}, not 'without quant_method'"),
    "null": ({"quant_method": None}, f"{KNOWN}, not 'none'"),
    "bitsandbytes": (
        {"quant_method": "bitsandbytes", "load_in_4bit": True},
        f"is bitsandbytes, which is not supported: vLLM 0.32 does not serve it; {INSTEAD}",
    ),
    "humming": ({"quant_method": "humming"}, f"is humming, which is not supported yet; {INSTEAD}"),
    "no groups": ({"quant_method": "compressed-tensors"}, "must have config_groups"),
    "a group without weights": (
        {"quant_method": "compressed-tensors", "config_groups": {"a": {}}},
        ".config_groups.a.weights: is required",
    ),
    "groups in a list": (
        {"quant_method": "compressed-tensors", "config_groups": [1]},
        ".config_groups: must be a dict (got [1])",
    ),
    "a sparse format": (
        grouped(ints(4, group_size=128), format="marlin-24"),
        "must have a format of dense, float-quantized, int-quantized, mixed-precision, "
        "mxfp4-pack-quantized, mxfp8-quantized, naive-quantized, nvfp4-pack-quantized, "
        f"pack-quantized, not 'marlin-24'; {INSTEAD}",
    ),
    "sparse weights": (
        {**scheme(8), "sparsity_config": {"targets": ["Linear"]}},
        "has a sparsity_config, which vLLM 0.32 no longer serves: take dense weights",
    ),
    "ordered groups": (
        grouped(ints(4, group_size=128, actorder="group")),
        "has actorder 'group', which vLLM 0.32 no longer serves: take a checkpoint with static or "
        "weight ordering, or without",
    ),
    "floats of six bits": (
        grouped(floats(6, group_size=32)),
        "has floats of 6 bits in groups of 32, which vLLM 0.32 does not serve: 4 bits in groups of "
        "16 (NVFP4) or 32 (MXFP4), or 8",
    ),
    "another type": (
        grouped({"num_bits": 4, "type": "log"}),
        "must have weights of type float or int, not 'log'",
    ),
    "one bit": (
        grouped(ints(1, group_size=32)),
        "has whole numbers of 1 bits, which vLLM 0.32 does not serve: 2 to 8",
    ),
    "a cache of four bits": (
        {**scheme(8), "kv_cache_scheme": floats(4)},
        "must have a kv_cache_scheme of type float and 8 bits: vLLM 0.32 has no other",
    ),
    "gptq without bits": ({"quant_method": "gptq"}, ".bits: is required"),
    "gptq, asymmetric": (
        {**GPTQ, "sym": False},
        "is asymmetric GPTQ of 4 bits, which vLLM 0.32 does not serve: only symmetric of 4 or 8; "
        f"{INSTEAD}",
    ),
    "gptq of three bits by a rule": (
        {**GPTQ, "dynamic": {"+:.*mlp.*": {"bits": 3}}},
        "is symmetric GPTQ of 3 bits, which vLLM 0.32 does not serve: only symmetric of 4 or 8; "
        f"{INSTEAD}",
    ),
    "gptq, ordered": (
        {**GPTQ, "desc_act": True},
        "has desc_act with groups, which vLLM 0.32 no longer serves: take a checkpoint made "
        "without desc_act",
    ),
    "awq of eight bits": (
        {**AWQ, "bits": 8},
        f"is AWQ of 8 bits, which vLLM 0.32 does not serve; {INSTEAD}",
    ),
    "auto-round in another packing": (
        {**ROUND, "packing_format": "auto_round:exllamav3"},
        "must have packing_format auto_round:auto_gptq or auto_round:auto_awq, not "
        "'auto_round:exllamav3'",
    ),
    "auto-round of another type": (
        {**ROUND, "data_type": "nv_fp"},
        "is AutoRound's nv_fp of 4 bits, which vLLM 0.32 does not serve",
    ),
    "autoround, floats without blocks": (
        {"quant_method": "auto-round", "bits": 8, "data_type": "fp", "group_size": -1},
        "is AutoRound's fp without blocks, which vLLM 0.32 does not serve",
    ),
    "modelopt, another algorithm": (
        optimized("INT4_AWQ"),
        ".quantization.quant_algo: must be MIXED_PRECISION, FP8, FP8_BLOCK_SCALES, FP8_PB_WO, "
        f"FP8_PER_CHANNEL_PER_TOKEN, MXFP8, NVFP4, W4A16_NVFP4; {INSTEAD}, in hf_quant_config.json "
        "(got 'INT4_AWQ')",
    ),
    "modelopt, another group": (
        optimized("NVFP4", group_size=32),
        "must have group_size 16, not 32, in hf_quant_config.json",
    ),
    "modelopt, mixed of nothing": (
        optimized("MIXED_PRECISION"),
        "must have quantized_layers, which MIXED_PRECISION is made of, in hf_quant_config.json",
    ),
    "modelopt, mixed without words": (
        optimized("MIXED_PRECISION", quantized_layers={"a": {}}),
        ".quantization.quantized_layers.a.quant_algo: is required, in hf_quant_config.json",
    ),
    "no dict": ("fp8", "must be a dict (got 'fp8')"),
    "a list of other things": (
        {"quant_method": "fp8", "modules_to_not_convert": [1]},
        ".modules_to_not_convert: must be a list of names (got [1])",
    ),
    "half a block": (
        {"quant_method": "fp8", "weight_block_size": [128]},
        ".weight_block_size: must be two whole numbers (got [128])",
    ),
}


def test_older_files_call_it_compression() -> None:
    """And it is named so where it is wrong."""
    entry = scheme(8, "float")
    old, new = config(compression_config=entry), config(quantization_config=entry)
    assert read_shape(old).quantization == read_shape(new).quantization is not None
    with pytest.raises(SpecError) as caught:
        read_shape(config(compression_config={"quant_method": "hqq"}))
    assert [fault.path for fault in caught.value.faults] == ["config.compression_config"]


@pytest.mark.parametrize(("entry", "rule"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_judged_is_a_fault(entry: Any, rule: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_shape(config(quantization_config=entry))
    [fault] = caught.value.faults
    assert re.sub(r"^config\.quantization_config(: )?", "", str(fault)) == rule


@pytest.mark.parametrize(
    "entry",
    [
        {"quant_method": "gptq", "bits": 0},
        {"quant_method": "gptq", "bits": 1e400},
        {**GPTQ, "dynamic": {"-:[": {}}},
        {**GPTQ, "dynamic": ["-:mlp"]},
        {**GPTQ, "dynamic": {"a": 7}},
        {**GPTQ, "group_size": "128"},
        {"quant_method": "fp8", "weight_block_size": [0, 128]},
        {"quant_method": "fp8", "weight_block_size": [-1, 128]},
        {"quant_method": "fp8", "weight_block_size": 128},
        {**scheme(8), "ignore": ["re:["]},
        {**scheme(8), "ignore": "lm_head"},
        {**scheme(8), "kv_cache_scheme": "fp8"},
        {**scheme(8), "sparsity_config": "2:4"},
        grouped(floats(8, block_structure="128 by 128")),
        {"quant_method": "compressed-tensors", "config_groups": {"a": {"targets": [7]}}},
        {"quant_method": "fp8", "modules_to_not_convert": 3},
        {**ROUND, "extra_config": {"(": {"bits": 8}}},
        {**ROUND, "extra_config": {"a": 8}},
        {**ROUND, "block_name_to_quantize": 7},
        {**ROUND, "bits": 16},
        {"quant_method": "modelopt", "quantization": "FP8"},
        {"quant_method": "modelopt", "quantization": {"quant_algo": 8}},
        {"quant_method": "modelopt", "quant_algo": "FP8", "ignore": "lm_head"},
        {"quant_method": ["fp8"]},
    ],
    ids=str,
)
def test_nonsense_is_a_fault_and_never_an_error_later(entry: Config) -> None:
    with pytest.raises(SpecError, match=r"1 fault in .*\n  config\.quantization_config[:.]"):
        read_shape(config(quantization_config=entry))
