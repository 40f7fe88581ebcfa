"""torchao: which products it makes smaller, by how much, and what the engine does not read."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models import Scheme, read_shape
from rackwright.models.quantization import HEAD, linear_of, read_quantization
from rackwright.models.quantization.scheme import FP8, FP8_ROWS, INT8_ROWS
from tests.samples.configs import config

Config = dict[str, Any]
FLOAT8 = "Float8DynamicActivationFloat8WeightConfig"
PER_ROW = {"_type": "PerRow", "_version": 1, "_data": {"dim": -1}}
INT4 = {"_type": "Int4WeightOnlyConfig", "_version": 2, "_data": {"group_size": 128}}
Q, DOWN, EXPERTS = (
    linear_of(1, name) for name in ("self_attn.q_proj", "mlp.down_proj", "mlp.experts.up_proj")
)
GROUPS = Scheme(4, 128, 4.0, inputs=128, widths=128)


def torchao(kind: Any, **more: Any) -> Config:
    made = {"quant_method": "torchao", "quant_type": {"default": kind}}
    return {**made, "modules_to_not_convert": None, **more}


def of(kind: str, **data: Any) -> Config:
    return {"_type": kind, "_version": 2, "_data": data}


READ: dict[str, tuple[Config, Scheme]] = {
    "int4": (INT4, GROUPS),
    "int4 of the usual group": (of("Int4WeightOnlyConfig"), GROUPS),
    "float8 by row": (of(FLOAT8, granularity=[PER_ROW, PER_ROW]), FP8_ROWS),
    "float8 by one row": (of(FLOAT8, granularity=PER_ROW), FP8_ROWS),
    "float8 by tensor": (of(FLOAT8, granularity=[{"_type": "PerTensor"}] * 2), FP8),
    "float8, nothing said": (of(FLOAT8), FP8),
    "float8 weights": (of("Float8WeightOnlyConfig"), Scheme(8, row_bytes=4)),
    "int8": (of("Int8DynamicActivationInt8WeightConfig"), INT8_ROWS),
    "int8 weights": (of("Int8WeightOnlyConfig"), Scheme(8, row_bytes=2)),
}


@pytest.mark.parametrize(("kind", "scheme"), READ.values(), ids=READ)
def test_it_is_read(kind: Config, scheme: Scheme) -> None:
    found = read_quantization({"quantization_config": torchao(kind)})
    assert found and (found.method, found.usual) == ("torchao", scheme)
    assert [found.scheme(one) for one in (Q, EXPERTS, HEAD)] == [scheme, None, None]


@pytest.mark.parametrize("name", ["layers.1", "model.layers.1.mlp.down_proj", "down_proj", "mlp"])
def test_modules_are_skipped_with_all_inside(name: str) -> None:
    entry = torchao(INT4, modules_to_not_convert=[name])
    found = read_quantization({"quantization_config": entry})
    assert found and found.scheme(DOWN) is None
    assert found.scheme(linear_of(11, "self_attn.o_proj")) == GROUPS


@pytest.mark.parametrize("kind", ["ModuleFqnToConfig", "FqnToConfig"])
def test_products_may_be_named(kind: str) -> None:
    key = "module_fqn_to_config" if kind.startswith("M") else "fqn_to_config"
    named = {
        "_default": INT4,
        r"re:model\.layers\..*\.self_attn\.qkv_proj": of(FLOAT8, granularity=PER_ROW),
        "model.layers.1.mlp.down_proj": None,
    }
    found = read_quantization({"quantization_config": torchao(of(kind, **{key: named}))})
    assert found and [found.scheme(one) for one in (Q, DOWN)] == [FP8_ROWS, None]
    assert found.scheme(linear_of(0, "mlp.down_proj")) == GROUPS
    del named["_default"]
    found = read_quantization({"quantization_config": torchao(of(kind, **{key: named}))})
    assert found and found.scheme(linear_of(0, "mlp.down_proj")) is None


REFUSED: dict[str, tuple[Config, str]] = {
    "older files": ({"quant_method": "torchao", "quant_type": "int4_weight_only"}, "default alone"),
    "what nobody serves": (torchao(of("UIntXWeightOnlyConfig")), "must have a _type of Float8"),
    "nothing at all": (
        torchao(of("ModuleFqnToConfig", module_fqn_to_config={"a.b": None})),
        "names no product",
    ),
}


@pytest.mark.parametrize(("entry", "rule"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused(entry: Config, rule: str) -> None:
    with pytest.raises(SpecError, match=rule):
        read_shape(config(quantization_config=entry))
