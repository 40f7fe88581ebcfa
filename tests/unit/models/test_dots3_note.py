"""What Dots 3 Note keeps, how its caches are packed, how it splits and where it is refused."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rackwright.catalog import gpu_types
from rackwright.engines import ENGINES
from rackwright.errors import SpecError
from rackwright.models import Shape, read_shape
from rackwright.planning.splitting import indivisible
from rackwright.sizing import Split
from rackwright.sizing.kv_cache import block_bytes, kv_bytes_per_token
from tests.samples.configs import usual
from tests.samples.fleet import spec

REAL = Path(__file__).parents[2] / "data" / "configs" / "real.jsonl"
NAME = "Dots3NoteForCausalLM"
FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}


@cache
def line() -> dict[str, Any]:
    every = (json.loads(line) for line in REAL.read_text().splitlines())
    return next(one for one in every if one["repo"].endswith("dots3-note-prev"))


def note(**more: object) -> Shape:
    return read_shape({**line()["config"], **more})


def test_its_text_and_a_layer_for_drafts_make_what_is_published() -> None:
    assert note().parameters == line()["parts"]["text"]
    near = next(layer for layer in note().layers if layer.kv.window)
    attention = sum(one.elements for one in near.tensors if one.stored and "attn" in one.name)
    drafts = attention + 3 * 13824 * 5120 + 152064 * 5120 + 2 * 5120**2 + 5 * 5120
    assert line()["elements"] + drafts == line()["published"]


def test_every_token_is_as_wide_as_one_of_a_window() -> None:
    shape = note()
    assert [layer.kv.window for layer in shape.layers[:6]] == [None] * 2 + [512] * 3 + [None]
    assert kv_bytes_per_token(shape, Split(8), 0) == 46 * (1024 + 64) * 2 + 13 * 132


def test_layers_of_a_window_are_two_groups_of_one_block() -> None:
    """17 of 33 layers, which is more than the 13 others and their indexers."""
    assert block_bytes(note(), Split(8), 0, "auto") == 17 * 64 * (1024 + 64) * 2


@pytest.mark.parametrize(
    ("split", "more", "why"),
    [
        (Split(64), {}, ""),
        (Split(128), {}, "heads of windows 64"),
        (Split(2, 2), {}, ""),
        (Split(4), {"quantization_config": FP8}, ""),
        (Split(8), {"quantization_config": FP8}, "expert width 1536 divided by 8"),
        (Split(8, 1, True), {"quantization_config": FP8}, ""),
    ],
)
def test_ranks_divide_as_the_engine_has_it(split: Split, more: dict[str, Any], why: str) -> None:
    reason = indivisible(split, note(**more))
    assert why in reason
    assert bool(reason) == bool(why)


def test_it_is_served_on_hopper_with_a_cache_of_16_bits() -> None:
    refused = ENGINES["vllm"].gpu_refusals
    assert not list(refused(gpu_types()["h200-sxm-141gb"], note(), spec()))
    assert any(
        "is no Hopper" in why for why in refused(gpu_types()["b200-sxm-180gb"], note(), spec())
    )
    (why,) = refused(gpu_types()["h200-sxm-141gb"], note(), spec(kv_cache_dtype="fp8"))
    assert "leave kv_cache_dtype out" in why


def test_a_gate_may_be_of_every_figure() -> None:
    gates = {
        one.name: one.rows
        for layer in read_shape(usual(NAME)).layers
        for one in layer.tensors
        if one.name.endswith("g_proj")
    }
    assert gates == {"self_attn.g_proj": 2 * 10}


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"layer_types": None}, "config.layer_types"),
        ({"sliding_window_size": None}, "config.sliding_window_size"),
        ({"swa_kv_lora_rank": None}, "config.swa_kv_lora_rank"),
        ({"swa_kv_lora_rank": 10}, "config.swa_kv_lora_rank"),
        ({"swa_num_attention_heads": 0}, "config.swa_num_attention_heads"),
        ({"kv_lora_rank": None}, "config.kv_lora_rank"),
    ],
)
def test_what_is_wrong_is_named_as_its_file_has_it(more: dict[str, Any], path: str) -> None:
    with pytest.raises(SpecError) as raised:
        read_shape({**usual(NAME), **more})
    assert [fault.path for fault in raised.value.faults] == [path]
