"""What MiMo-V2, LFM2, Falcon-H1 and Jamba keep, and what is wrong with their lists of layers."""

from __future__ import annotations

import pytest

from rackwright.errors import SpecError
from rackwright.models import read_shape
from tests.samples.configs import H, L, usual

MIMO, LFM2 = "MiMoV2FlashForCausalLM", "Lfm2ForCausalLM"


def test_layers_with_a_window_keep_what_their_own_heads_keep() -> None:
    kept = [layer.kv for layer in read_shape(usual(MIMO)).layers]
    assert [(kv.heads, kv.elements, kv.window) for kv in kept] == [
        (2, 24 + 10, None),
        (4, 12 + 12, 32),
        (4, 12 + 12, 32),
        (2, 24 + 10, None),
    ]


def test_a_short_convolution_keeps_the_tokens_that_it_has_yet_to_see() -> None:
    shape = read_shape(usual(LFM2))
    assert [layer.kv.state_bytes for layer in shape.layers] == [2 * H * 2] * 3 + [0]
    assert shape.widths == {"MLP width": 70, "hidden size": H}
    as_it_stands = read_shape({**usual(LFM2), "block_auto_adjust_ff_dim": False})
    assert as_it_stands.widths["MLP width"] == 96


def test_what_has_both_in_a_layer_keeps_a_state_and_of_each_token() -> None:
    shape = read_shape(usual("FalconH1ForCausalLM"))
    assert [layer.kv.kind for layer in shape.layers] == ["state", "full"] * L
    assert shape.widths == {"Mamba heads": 6, "MLP width": 96}
    normed = read_shape({**usual("FalconH1ForCausalLM"), "mamba_rms_norm": True})
    assert normed.parameters - shape.parameters == L * 6 * 10


def test_a_jamba_attends_now_and_then() -> None:
    shape = read_shape(usual("JambaForCausalLM"))
    assert [layer.kv.kind for layer in shape.layers] == ["state", "state", "full", "state"]
    assert [bool(layer.experts) for layer in shape.layers] == [False, True] * 2
    assert shape.layers[0].kv.state_bytes == 2 * 2 * H * (5 + 2)
    assert shape.widths == {"MLP width": 96, "Mamba width": 2 * H}
    ranked = read_shape({**usual("JambaForCausalLM"), "mamba_dt_rank": 5})
    assert ranked.parameters - shape.parameters == 3 * (2 * 2 * H + 1)


@pytest.mark.parametrize(
    ("name", "more", "path"),
    [
        (MIMO, {"hybrid_layer_pattern": [0, 1]}, "config.hybrid_layer_pattern"),
        (MIMO, {"hybrid_layer_pattern": None}, "config.hybrid_layer_pattern"),
        (MIMO, {"moe_layer_freq": [0, 1, 2, 0]}, "config.moe_layer_freq"),
        (LFM2, {"layer_types": ["conv"] * 3 + ["mamba"]}, "config.layer_types"),
        (LFM2, {"layer_types": None}, "config.layer_types"),
        (LFM2, {"block_ffn_dim_multiplier": 0}, "config.block_ffn_dim_multiplier"),
    ],
)
def test_what_is_wrong_is_said(name: str, more: dict[str, object], path: str) -> None:
    with pytest.raises(SpecError) as raised:
        read_shape({**usual(name), **more})
    assert path in [fault.path for fault in raised.value.faults]
