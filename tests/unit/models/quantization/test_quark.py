"""AMD's Quark: what it makes of products and experts, what it leaves, what the engine refuses."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models import Scheme, read_shape
from rackwright.models.quantization import HEAD, linear_of, read_quantization
from rackwright.models.quantization.scheme import (
    FP8,
    FP8_ROWS,
    FP8_STATIC,
    INT8_ROWS,
    MXFP4,
    MXFP4_GROUPS,
    MXFP6,
    MXFP8,
    NVFP4,
    fp8_blocks,
    in_groups,
)
from tests.samples.configs import config

Config = dict[str, Any]
STILL = {"dtype": "fp8_e4m3", "qscheme": "per_tensor", "is_dynamic": False}
DYNAMIC = {**STILL, "is_dynamic": True}
ROWS = {"dtype": "fp8_e4m3", "qscheme": "per_channel", "ch_axis": 0}
BLOCKS = {**STILL, "qscheme": "per_block", "block_size": [128, 128]}
INT8 = {"dtype": "int8", "qscheme": "per_channel", "symmetric": True}
INT4 = {"dtype": "int4", "qscheme": "per_group", "group_size": 128, "symmetric": True}
MX = {"qscheme": "per_group", "group_size": 32, "scale_format": "e8m0", "is_dynamic": False}
FP4 = {**MX, "dtype": "fp4"}
Q, OUT, EXPERTS = (
    linear_of(0, name) for name in ("self_attn.q_proj", "self_attn.o_proj", "mlp.experts.up_proj")
)


def quark(weight: Any, inputs: Any = None, **more: Any) -> Config:
    return {
        "quant_method": "quark",
        "exclude": ["lm_head"],
        "export": {"kv_cache_group": [], "pack_method": "reorder"},
        "global_quant_config": {"weight": weight, "input_tensors": inputs, "output_tensors": None},
        "layer_quant_config": {},
        "layer_type_quant_config": {},
        **more,
    }


READ: dict[str, tuple[Config, Scheme]] = {
    "fp8": (quark(STILL, STILL), FP8_STATIC),
    "fp8, inputs as they come": (quark(STILL, DYNAMIC), FP8),
    "fp8 by channel": (quark(ROWS, {**ROWS, "is_dynamic": True}), FP8_ROWS),
    "fp8 in a list": (quark([ROWS], [DYNAMIC]), FP8_ROWS),
    "fp8 in blocks": (quark(BLOCKS, DYNAMIC), fp8_blocks(128, 128, merged=True)),
    "int8": (quark(INT8, INT8), INT8_ROWS),
    "int4": (quark(INT4), in_groups(4, 128)),
    "int4 with zeros": (
        quark({**INT4, "dtype": "uint4", "symmetric": False}),
        in_groups(4, 128, zeros=True),
    ),
    "mxfp4": (quark(FP4, {**FP4, "is_dynamic": True}), MXFP4_GROUPS),
    "mxfp4, weights alone": (quark(FP4), MXFP4_GROUPS),
    "mxfp6": (quark({**MX, "dtype": "fp6_e2m3"}), MXFP6),
    "mxfp8": (quark({**MX, "dtype": "fp8_e4m3"}, DYNAMIC), MXFP8),
    "nvfp4": (quark([{"dtype": "fp4", "group_size": 16}, STILL], [FP4, STILL]), NVFP4),
}


@pytest.mark.parametrize(("entry", "scheme"), READ.values(), ids=READ)
def test_it_is_read(entry: Config, scheme: Scheme) -> None:
    found = read_quantization({"quantization_config": entry})
    assert found and (found.method, found.scheme(Q), found.kv_cache) == ("quark", scheme, None)


def test_the_table_of_outputs_stays_and_experts_are_padded() -> None:
    found = read_quantization({"quantization_config": quark(FP4, exclude=[])})
    assert found and [found.scheme(one) for one in (HEAD, EXPERTS)] == [None, MXFP4]


def test_layers_have_ways_of_their_own_and_scales_for_a_cache() -> None:
    """As amd/Llama-3.3-70B-Instruct-MXFP4-Preview has it; the cache is as the service says."""
    own = {"weight": STILL, "input_tensors": STILL, "output_tensors": STILL}
    entry = quark(
        FP4,
        layer_quant_config={"*self_attn*": own},
        export={"kv_cache_group": ["*self_attn*"], "pack_method": "reorder"},
    )
    found = read_quantization({"quantization_config": entry})
    assert found and found.kv_cache is None
    assert (found.scheme(OUT), found.scheme(EXPERTS)) == (FP8_STATIC, MXFP4)


@pytest.mark.parametrize(
    "name",
    ["re:.*experts.*", "model.layers.0.mlp.experts.7.down_proj", "model.layers.0.mlp.experts"],
)
def test_experts_stay_where_one_of_them_is_excluded(name: str) -> None:
    found = read_quantization({"quantization_config": quark(FP4, exclude=[name])})
    assert found and (found.scheme(EXPERTS), found.scheme(Q)) == (None, MXFP4_GROUPS)


def test_int4_of_fp8_is_served_of_experts_alone() -> None:
    entry = quark([STILL, {"dtype": "int4", "qscheme": "per_channel"}], DYNAMIC)
    found = read_quantization({"quantization_config": {**entry, "exclude": ["re:.*self_attn.*"]}})
    assert found and (scheme := found.scheme(EXPERTS)) and scheme.bits == 4
    with pytest.raises(SpecError, match="which is served of experts"):
        _ = read_shape(config(quantization_config=entry)).schemes


REFUSED: dict[str, tuple[Config, str]] = {
    "fp8 weights alone": (
        quark(STILL),
        "has weights of fp8_e4m3 per_tensor, without quantized inputs, which vLLM 0.32",
    ),
    "mxfp4 of other groups": (quark({**FP4, "group_size": 16}), "has weights of fp4 per_group"),
    "no weights": (quark(None), r"global_quant_config\.weight: must be a dict"),
    "a kind that is no word": (
        quark({**INT8, "dtype": ["int8"]}, INT8),
        r"weight\.dtype: must be a name",
    ),
    "a word without end": (
        quark({**INT8, "qscheme": "x" * 9999}, INT8),
        r"weight\.qscheme: must be a name",
    ),
    "one of two kinds that is no word": (
        quark([FP4, {"dtype": None}]),
        r"weight\.1\.dtype: must be a name",
    ),
    "biases": (
        quark(STILL, STILL, global_quant_config={"weight": STILL, "bias": STILL}),
        "quantizes outputs or biases",
    ),
    "outputs that are no cache's": (
        quark(STILL, STILL, layer_quant_config={"*o_proj": {"output_tensors": STILL}}),
        "quantizes outputs or biases",
    ),
    "two that are no NVFP4": (quark([STILL, STILL], STILL), "fp8_e4m3 and fp8_e4m3, which"),
    "types": (
        quark(STILL, STILL, layer_type_quant_config={"Linear": {}}),
        "layer_type_quant_config, which is not supported yet",
    ),
    "nothing usual": (quark(None, global_quant_config=None), "must have global_quant_config"),
}


@pytest.mark.parametrize(("entry", "rule"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused(entry: Config, rule: str) -> None:
    with pytest.raises(SpecError, match=rule):
        read_shape(config(quantization_config=entry))


def test_products_that_are_merged_are_alike() -> None:
    own = {"weight": ROWS, "input_tensors": DYNAMIC}
    entry = quark(STILL, STILL, layer_quant_config={"*q_proj": own})
    with pytest.raises(SpecError, match=r"quantizes model\.layers\.0\.self_attn\.qkv_proj in part"):
        _ = read_shape(config(quantization_config=entry)).schemes
