"""Laguna: heads of its own in each kind of layer."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models import read_shape
from rackwright.planning.splitting import indivisible
from rackwright.sizing import Split
from tests.samples.configs import HEADS, D, H, usual


def released(hidden: int, layers: int, heads: int, dense: int, expert: int) -> dict[str, Any]:
    """Sizes as a listing has them of poolside's; heads of a window and the dense width by count."""
    full = [layer % 4 == 0 for layer in range(layers)]
    return {
        "architectures": ["LagunaForCausalLM"],
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "intermediate_size": dense,
        "moe_intermediate_size": expert,
        "shared_expert_intermediate_size": expert,
        "num_experts": 256,
        "num_experts_per_tok": 8,
        "num_attention_heads": 48,
        "num_key_value_heads": 8,
        "vocab_size": 100352,
        "max_position_embeddings": 131072,
        "sliding_window": 512,
        "layer_types": ["full_attention" if one else "sliding_attention" for one in full],
        "num_attention_heads_per_layer": [48 if one else heads for one in full],
    }


@pytest.mark.parametrize(
    ("sizes", "elements"),
    [
        ((2048, 40, 64, 8192, 512), 33_442_617_088),  # poolside/Laguna-XS.2
        ((3072, 48, 72, 12288, 1024), 117_561_977_600),  # poolside/Laguna-S-2.1
    ],
)
def test_released_models_are_counted(sizes: tuple[int, int, int, int, int], elements: int) -> None:
    shape = read_shape(released(*sizes))
    assert shape.parameters == elements
    assert [layer.kv.window for layer in shape.layers[:4]] == [None, 512, 512, 512]


def test_a_gate_may_be_of_each_channel_or_not_be() -> None:
    values = usual("LagunaForCausalLM")
    heads = HEADS + 3 * 2 * HEADS
    shapes = {gate: read_shape({**values, "gating": gate}) for gate in (True, "per-element", False)}
    bare = shapes[False].parameters
    assert shapes[True].parameters == bare + heads * H
    assert shapes["per-element"].parameters == bare + heads * D * H


def test_ranks_divide_the_heads_of_every_layer() -> None:
    values = {**usual("LagunaForCausalLM"), "num_attention_heads": 8, "num_key_value_heads": 2}
    values["num_attention_heads_per_layer"] = [8, 6, 6, 6]
    assert "6" in indivisible(Split(4), read_shape(values))
    assert not indivisible(Split(2), read_shape(values))


@pytest.mark.parametrize(
    "more",
    [
        {"num_attention_heads_per_layer": [HEADS]},
        {"num_attention_heads_per_layer": [HEADS, 3, HEADS, HEADS]},
        {"num_attention_heads_per_layer": "x"},
        {"gating": "sometimes"},
        {"gating": 3},
    ],
)
def test_what_cannot_be_is_said_by_its_key(more: dict[str, object]) -> None:
    with pytest.raises(SpecError) as caught:
        read_shape({**usual("LagunaForCausalLM"), **more})
    assert [fault.path for fault in caught.value.faults] == [f"config.{next(iter(more))}"]
