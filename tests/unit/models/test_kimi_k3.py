"""What Kimi K3 has beside Kimi Linear, counted by hand, and how its experts are held."""

from __future__ import annotations

from typing import Any

from rackwright.models import Shape, read_shape
from rackwright.sizing import Split, kv_bytes_per_token, tensor_bytes
from tests.samples.configs import HEADS, E, H, L, M, usual

NAME = "KimiLinearForCausalLM"
LINEAR = usual(NAME)["linear_attn_config"]
PACKED = {"quant_method": "compressed-tensors", "format": "mxfp4-pack-quantized"}
LATENT = {"routed_expert_hidden_size": 32, "latent_moe_use_norm": True}


def shape_of(**more: Any) -> Shape:
    return read_shape({**usual(NAME), **more})


def more_than_linear(**more: Any) -> int:
    return shape_of(**more).parameters - shape_of().parameters


def held(shape: Shape, name: str, split: Split) -> int:
    pairs = zip(shape.layers[-1].tensors, shape.schemes[-1], strict=True)
    return sum(tensor_bytes(shape, t, split, s) for t, s in pairs if t.name == name)


def test_a_gate_of_full_rank_stands_for_two_narrow_products() -> None:
    """Three delta layers of three heads of ten."""
    full = {**LINEAR, "use_full_rank_gate": True}
    assert more_than_linear(linear_attn_config=full) == 3 * (30 * H - 10 * H - 30 * 10)


def test_latent_attention_has_a_gate_too() -> None:
    assert more_than_linear(mla_use_output_gate=True) == HEADS * 10 * H


def test_residuals_are_weighed_before_both_halves_of_a_layer_and_at_the_end() -> None:
    assert more_than_linear(attn_res_block_size=2) == L * 4 * H + 2 * H


def test_experts_are_reached_by_products_that_every_rank_holds() -> None:
    narrower = 3 * E * 3 * M * (32 - H)
    assert more_than_linear(**LATENT) == narrower + 3 * (2 * 32 * H + 32)
    assert held(shape_of(**LATENT), "mlp.routed_expert_down_proj", Split(2)) == 32 * H * 2


def test_of_an_expert_a_rank_holds_256_at_least() -> None:
    wide = shape_of(moe_intermediate_size=512)
    sizes = [held(wide, "mlp.experts.up_proj", Split(ranks)) for ranks in (1, 2, 4)]
    assert sizes == [E * width * H * 2 for width in (512, 256, 256)]
    assert held(wide, "mlp.experts.up_proj", Split(2, 1, True)) == E // 2 * 512 * H * 2


def test_packed_experts_alone_have_four_bits() -> None:
    shape = shape_of(**LATENT, model_type="kimi_linear", quantization_config=PACKED)
    assert held(shape, "mlp.experts.up_proj", Split()) == E * (M * 32 // 2 + M * 32 // 32)
    assert held(shape, "mlp.routed_expert_up_proj", Split()) == 32 * H * 2


def test_nothing_is_turned_and_the_latent_token_is_kept_as_it_is() -> None:
    shape = shape_of(mla_use_nope=True)
    assert shape.rotary.elements == 0
    assert kv_bytes_per_token(shape, Split(), 0) == (20 + 8) * 2
