"""What a Nemotron-H keeps, and what is wrong with its list of layers."""

from __future__ import annotations

import pytest

from rackwright.errors import SpecError
from rackwright.models import read_shape
from rackwright.sizing.kv_cache import kv_groups
from tests.samples.configs import KV_HEADS, MIXED, D, F, S, usual

NAME = "NemotronHForCausalLM"


def test_a_layer_keeps_a_state_a_token_or_nothing() -> None:
    shape = read_shape(usual(NAME))
    assert [layer.kv.kind for layer in shape.layers] == ["state", "none", "full", "none"]
    # float32 a matrix a head, and in 16 bits the two tokens that the convolution looks back
    assert shape.layers[0].kv.state_bytes == 6 * 10 * 12 * 4 + MIXED * 2 * 2
    assert shape.layers[2].kv.elements * shape.layers[2].kv.heads == KV_HEADS * 2 * D
    assert kv_groups(shape, 1)[0].groups == {"state": 1, "full": 1}


def test_a_state_may_be_kept_in_16_bits() -> None:
    shape = read_shape({**usual(NAME), "mamba_ssm_cache_dtype": "bfloat16"})
    assert shape.layers[0].kv.state_bytes == (6 * 10 * 12 + MIXED * 2) * 2


def test_what_ranks_must_divide_is_named() -> None:
    shape = read_shape(usual(NAME))
    assert shape.widths == {"Mamba heads": 6, "MLP width": F, "shared expert width": S}
    only = {**usual(NAME), "hybrid_override_pattern": "****"}
    assert read_shape(only).widths == {}


def test_it_has_no_positions() -> None:
    assert read_shape(usual(NAME)).rotary.elements == 0


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"hybrid_override_pattern": "M-*"}, "config.hybrid_override_pattern"),
        ({"hybrid_override_pattern": None}, "config.hybrid_override_pattern"),
        ({"hybrid_override_pattern": "M-*X"}, "config.layers_block_type"),
        ({"layers_block_type": ["mamba"] * 3}, "config.layers_block_type"),
        ({"layers_block_type": ["mamba", "mlp", "nothing", "moe"]}, "config.layers_block_type"),
    ],
)
def test_what_is_wrong_with_the_list_of_layers_is_said(more: dict[str, object], path: str) -> None:
    with pytest.raises(SpecError) as raised:
        read_shape({**usual(NAME), **more})
    assert path in [fault.path for fault in raised.value.faults]
