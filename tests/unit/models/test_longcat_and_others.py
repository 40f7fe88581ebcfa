"""What LongCat Flash, Param2 and openPangu keep of a token, how they split, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rackwright.catalog import gpu_types
from rackwright.engines import ENGINES
from rackwright.errors import SpecError
from rackwright.models import Shape, read_shape
from rackwright.planning.splitting import indivisible
from rackwright.sizing import Split
from rackwright.sizing.kv_cache import kv_bytes_per_token
from tests.samples.configs import usual
from tests.samples.fleet import spec

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


def pangu() -> Shape:
    lines = (json.loads(line) for line in REAL.read_text().splitlines())
    (config,) = [one["config"] for one in lines if one["repo"].endswith("openPangu-R-72B-2512")]
    return read_shape(config)


def test_pangu_with_learned_tokens_keeps_keys_and_values_of_two_widths() -> None:
    shape = pangu()
    assert kv_bytes_per_token(shape, Split(), 0) == 50 * 4 * (192 + 128) * 2
    assert kv_bytes_per_token(shape, Split(tensor=4), 0) == 50 * (192 + 128) * 2
    assert shape.rotary.columns == 64
    sizes = {one.name: one.elements for one in shape.layers[0].tensors if "sink" in one.name}
    assert sizes == {
        "self_attn.param_sink_key": 128 * 4 * 192,
        "self_attn.param_sink_value": 128 * 4 * 128,
    }


def test_ranks_share_no_kv_head_where_tokens_are_learned() -> None:
    assert not indivisible(Split(tensor=4), pangu())
    assert "KV heads 4" in indivisible(Split(tensor=8), pangu())


@pytest.mark.parametrize(("gpu", "able"), [("a100-sxm-80gb", False), ("h200-sxm-141gb", True)])
def test_learned_tokens_need_kernels_of_hopper_or_newer(gpu: str, able: bool) -> None:
    refused = list(ENGINES["vllm"].gpu_refusals(gpu_types()[gpu], pangu(), spec()))
    assert bool(refused) != able
    assert able or "neither Hopper nor" in refused[0]


def test_values_of_learned_tokens_that_no_file_has_are_made() -> None:
    config = {**usual("PanguProMoEV2ForCausalLM"), "param_sink_with_value": False}
    values = (
        read_shape(usual("PanguProMoEV2ForCausalLM")).parameters - read_shape(config).parameters
    )
    assert values == 4 * 3 * 2 * 10


@pytest.mark.parametrize(
    ("name", "more", "path"),
    [
        ("PanguUltraMoEForCausalLM", {"param_sink_number": 128}, "config.param_sink_number"),
        ("PanguEmbeddedForCausalLM", {"param_sink_number": 128}, "config.qk_nope_dim"),
        ("PanguProMoEV2ForCausalLM", {"v_channels": None}, "config.v_channels"),
        ("PanguProMoEV2ForCausalLM", {"kv_lora_rank": 20}, "config.kv_lora_rank"),
    ],
)
def test_attention_of_pangu_that_is_not_judged_is_named(
    name: str, more: dict[str, int | None], path: str
) -> None:
    with pytest.raises(SpecError) as caught:
        read_shape({**usual(name), **more})
    assert path in [fault.path for fault in caught.value.faults]
