"""Blocks and groups against the split, product by product, as the engine checks them."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.models import Shape, read_shape
from rackwright.planning.blocks import uneven_blocks
from rackwright.sizing import Split
from tests.samples.configs import usual

Config = dict[str, Any]
LLAMA: Config = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 1024,
    "intermediate_size": 1536,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 96,
    "vocab_size": 512,
    "max_position_embeddings": 512,
}
FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128}
BLOCKS = "no multiple of the quantization's blocks of 128"


def compressed(weights: Config, **more: Any) -> Config:
    group = {"targets": ["Linear"], "weights": weights}
    return {"quant_method": "compressed-tensors", "config_groups": {"g": group}, **more}


BLOCKED = compressed({"num_bits": 8, "type": "float", "block_structure": [128, 128]})
INT4 = compressed({"num_bits": 4, "group_size": 128})
NVFP4 = compressed({"num_bits": 4, "type": "float", "group_size": 16})
CHANNELS = compressed({"num_bits": 4, "strategy": "channel"})
MXFP4 = {"quant_method": "mxfp4"}
UNEVEN: dict[str, tuple[Config, Config, Split, str]] = {
    "inputs that ranks divide": (
        {},
        FP8,
        Split(4),
        f"self_attn.o_proj's input 768 divided by 4 is {BLOCKS}",
    ),
    "inputs that one rank has": ({}, FP8, Split(1), ""),
    "outputs that the engine merges": ({"head_dim": 128}, FP8, Split(4), ""),
    "merged ones of compressed-tensors": (
        {"head_dim": 64},
        BLOCKED,
        Split(2),
        f"self_attn.k_proj 128 divided by 2 is {BLOCKS}",
    ),
    "keys that are copied": ({"head_dim": 128}, BLOCKED, Split(4), ""),
    "groups on one rank": (
        {"intermediate_size": 1500},
        GPTQ,
        Split(1),
        f"MLP width 1500 is {BLOCKS}",
    ),
    "a group for all inputs": ({"intermediate_size": 100}, GPTQ, Split(1), ""),
    "groups that ranks divide": (
        {"head_dim": 128, "intermediate_size": 1792},
        INT4,
        Split(4),
        f"MLP width 1792 divided by 4 is {BLOCKS}",
    ),
    "one group an output": ({"intermediate_size": 100}, CHANNELS, Split(4), ""),
    "sixteen": (
        {"intermediate_size": 1080},
        NVFP4,
        Split(1),
        "MLP width 1080 is no multiple of the quantization's blocks of 16",
    ),
    "what stays in 16 bits": (
        {},
        {**FP8, "modules_to_not_convert": ["self_attn"]},
        Split(4),
        "",
    ),
}


@pytest.mark.parametrize(("more", "entry", "split", "reason"), UNEVEN.values(), ids=UNEVEN)
def test_a_product_is_shared_in_whole_blocks(
    more: Config, entry: Config, split: Split, reason: str
) -> None:
    shape = read_shape({**LLAMA, **more, "quantization_config": entry})
    assert uneven_blocks(split, shape) == reason


def mixture(entry: Config, width: int) -> Shape:
    model = usual("MixtralForCausalLM")
    return read_shape({**model, "intermediate_size": width, "quantization_config": entry})


@pytest.mark.parametrize(
    ("entry", "width", "split", "reason"),
    [
        (FP8, 192, Split(1), f"expert width 192 is {BLOCKS}"),
        (NVFP4, 48, Split(2), "expert width 48 divided by 2 is no multiple of the quantization's"),
        (NVFP4, 48, Split(2, 1, True), ""),
        (MXFP4, 40, Split(2), ""),  # the engine pads them
    ],
)
def test_experts_are_shared_in_whole_blocks(
    entry: Config, width: int, split: Split, reason: str
) -> None:
    found = uneven_blocks(split, mixture(entry, width))
    assert found.startswith(reason) and bool(found) is bool(reason)


def test_without_a_quantization_everything_may_be_cut() -> None:
    assert uneven_blocks(Split(4), read_shape(LLAMA)) == ""
