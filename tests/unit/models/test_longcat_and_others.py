"""What LongCat Flash, Param2 and openPangu keep of a token, how they split, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rackwright.errors import SpecError
from rackwright.models import read_shape
from rackwright.planning.splitting import indivisible
from rackwright.sizing import Split
from rackwright.sizing.kv_cache import kv_bytes_per_token
from tests.samples.configs import usual

REAL = Path(__file__).parents[2] / "data" / "configs" / "real.jsonl"


def test_longcat_keeps_two_latent_tokens_a_layer() -> None:
    lines = (json.loads(line) for line in REAL.read_text().splitlines())
    (config,) = [one["config"] for one in lines if one["repo"].endswith("LongCat-Flash-Chat")]
    shape = read_shape(config)
    assert len(shape.layers) == 28
    assert kv_bytes_per_token(shape, Split(), 0) == 28 * 2 * (512 + 64) * 2
    assert kv_bytes_per_token(shape, Split(tensor=8), 0) == 28 * 2 * (512 + 64) * 2
    router = [one for one in shape.layers[0].tensors if one.name == "mlp.router.classifier"]
    assert [(one.rows, one.dtype) for one in router] == [(512 + 256, "float32")]


def test_a_figure_of_longcat_is_named_as_its_file_has_it() -> None:
    with pytest.raises(SpecError) as caught:
        read_shape({**usual("LongcatFlashForCausalLM"), "expert_ffn_hidden_size": -1})
    assert [fault.path for fault in caught.value.faults] == ["config.expert_ffn_hidden_size"]


def test_layers_of_longcat_are_not_its_attentions() -> None:
    """Of which the usual key counts two a layer."""
    config = usual("LongcatFlashForCausalLM")
    del config["num_layers"]
    with pytest.raises(SpecError) as caught:
        read_shape(config)
    assert [(one.path, one.rule) for one in caught.value.faults] == [
        ("config.num_layers", "is required")
    ]


def test_ranks_share_no_kv_head_of_param2() -> None:
    shape = read_shape(usual("Param2MoEForCausalLM"))
    assert shape.kv_heads == 2
    assert not indivisible(Split(tensor=2), shape)
    assert "KV heads" in indivisible(Split(tensor=4), shape)
    assert not indivisible(Split(tensor=4), read_shape(usual("PanguEmbeddedForCausalLM")))


def test_learned_tokens_of_pangu_are_refused() -> None:
    with pytest.raises(SpecError, match="param_sink_number: must be 0"):
        read_shape({**usual("PanguEmbeddedForCausalLM"), "param_sink_number": 128})
