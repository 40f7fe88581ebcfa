"""What DeepSeek V4 keeps, how its products are held and split, and what is wrong with its lists."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models import Shape, read_shape
from rackwright.models.shape import Page
from rackwright.sizing import Split, tensor_bytes
from tests.samples.configs import HEADS, V4, D, H, M, Q, V, usual

NAME = "DeepseekV4ForCausalLM"
AS_RELEASED = {"head_dim": 512, "qk_rope_head_dim": 64, "sliding_window": 128}
FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}


def shape_of(**more: Any) -> Shape:
    return read_shape({**usual(NAME), **more})


def held(shape: Shape, name: str) -> int:
    layer, schemes = shape.layers[1], shape.schemes[1]
    pairs = zip(layer.tensors, schemes, strict=True)
    return sum(tensor_bytes(shape, t, Split(), s) for t, s in pairs if t.name == name)


def test_each_layer_keeps_a_window_and_what_it_compresses() -> None:
    """584 bytes a key; 37,440 = 65 x 576, 8,640 = 15 x 576, 1,728 = 3 x 576, 32,832 = 57 x 576."""
    near, four, far, _ = (layer.kv for layer in shape_of(**AS_RELEASED).layers)
    assert near.pages == (Page(64, 37440, 128),)
    assert four.pages == (
        Page(64, 37440, 128),
        Page(256, 37440),
        Page(4, 32832, 8),
        Page(256, 8640),
        Page(4, 8640, 8),
    )
    assert far.pages == (Page(64, 37440, 128), Page(256, 1728), Page(8, 32832, 128))
    assert [near.window, four.window, far.window] == [128, None, None]


def test_experts_have_four_bits_and_scales_a_byte_whatever_the_method_is_called() -> None:
    shape = shape_of(quantization_config=FP8)
    assert held(shape, "mlp.experts.up_proj") == 6 * (M * H // 2 + M * H // 32)
    assert held(shape, "self_attn.wq_b") == Q * 28 + 1
    assert held(shape, "self_attn.indexer.weights_proj") == 3 * H * 2
    assert held(shape, "self_attn.indexer.wq_b") == 3 * 128 * 28 + 3
    nvidia = shape_of(quantization_config={**FP8, "moe_quant_algo": "NVFP4"})
    assert held(nvidia, "mlp.experts.up_proj") == 6 * (M * H // 2 + M * H // 16 + 12)
    eight = shape_of(quantization_config=FP8, expert_dtype="fp8")
    assert held(eight, "mlp.experts.up_proj") == 6 * (M * H + 4)
    assert held(eight, "self_attn.wq_b") == Q * 28 + 4


def test_another_type_of_model_has_experts_in_fp8() -> None:
    shape = shape_of(quantization_config=FP8, model_type="another")
    assert held(shape, "mlp.experts.up_proj") == 6 * (M * H + 4)


def test_ranks_divide_queries_and_the_output_and_hold_the_rest_whole() -> None:
    shape = shape_of()
    halves = {t.name: tensor_bytes(shape, t, Split(2)) for t in shape.layers[1].tensors}
    assert halves["self_attn.wq_b"] == Q * 28 // 2 * 2
    assert halves["self_attn.wo_a"] == 10 * Q // 2 * 2
    assert halves["self_attn.wo_b"] == H * 20 // 2 * 2
    assert halves["self_attn.wkv"] == D * H * 2
    assert halves["self_attn.compressor.wkv_gate"] == 4 * D * H * 2
    assert halves["self_attn.attn_sink"] == HEADS // 2 * 4
    assert shape.widths["groups of the output"] == V4["o_groups"]


def test_a_table_of_tokens_chooses_experts_in_the_first_layers() -> None:
    first, second = (
        {tensor.name: tensor.elements for tensor in layer.tensors}
        for layer in shape_of().layers[:2]
    )
    assert first["mlp.gate.tid2eid"] == V * 2 and "mlp.gate.tid2eid" not in second
    assert "mlp.gate.e_score_correction_bias" not in first


def test_positions_have_a_table_in_float32_for_each_kind_of_layer() -> None:
    assert shape_of().rotary.elements == 2 * 512 * 8
    assert shape_of(compress_ratios=[4, 128, 4, 128]).rotary.elements == 512 * 8


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("compress_ratios", None),
        ("compress_ratios", [0, 4]),
        ("compress_ratios", [0, 4, 128, 16]),
        ("compress_ratios", [0, 4, 128, [4]]),
        ("o_groups", None),
        ("sliding_window", None),
        ("head_dim", None),
    ],
)
def test_what_is_wrong_with_it_is_said_by_its_key(key: str, value: Any) -> None:
    with pytest.raises(SpecError) as refused:
        shape_of(**{key: value})
    assert [fault.path for fault in refused.value.faults][:1] == [f"config.{key}"]


def test_experts_of_another_dtype_are_refused() -> None:
    with pytest.raises(SpecError, match="expert_dtype of fp4 or fp8"):
        shape_of(quantization_config=FP8, expert_dtype="int4")
