"""Layers from which a search took parts away."""

from __future__ import annotations

import pytest

from rackwright.errors import SpecError
from rackwright.models import read_shape
from tests.samples.configs import BLOCKS, usual

NAME = "DeciLMForCausalLM"


def test_a_layer_keeps_what_its_own_heads_keep() -> None:
    shape = read_shape(usual(NAME))
    assert [layer.kv.heads for layer in shape.layers] == [2, 0, 1, 0]
    assert [layer.kv.kind for layer in shape.layers] == ["full", "none", "full", "none"]
    assert [layer.mlp_width for layer in shape.layers] == [256, 512, 0, 0]
    assert shape.widths == {"MLP width of 256": 256, "MLP width of 512": 512}
    assert shape.kv_heads == 2


@pytest.mark.parametrize(
    "blocks",
    [
        None,
        BLOCKS[:3],
        [*BLOCKS[:3], 7],
        [*BLOCKS[:3], {"attention": {}}],
        [*BLOCKS[:3], {"attention": {"n_heads_in_group": 3}, "ffn": {"ffn_mult": 1}}],
        [*BLOCKS[:3], {"attention": {"n_heads_in_group": 2}, "ffn": {"ffn_mult": 0}}],
        [*BLOCKS[:3], {"attention": {"no_op": True, "replace_with_linear": True}, "ffn": {}}],
        [
            *BLOCKS[:3],
            {"attention": {"no_op": True}, "ffn": {"ffn_mult": 1, "replace_with_linear": True}},
        ],
    ],
)
def test_a_list_that_does_not_say_it_of_every_layer_is_refused(blocks: object) -> None:
    with pytest.raises(SpecError) as raised:
        read_shape({**usual(NAME), "block_configs": blocks})
    assert {fault.path for fault in raised.value.faults} == {"config.block_configs"}
