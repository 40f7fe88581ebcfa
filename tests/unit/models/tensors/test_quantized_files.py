"""Files as quantizers write them, put beside what arithmetic makes of the config: byte by byte."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import pytest

from rackwright.models.tensors.headers import Headers, HeldTensor
from rackwright.models.tensors.shapes import shape_of_files
from rackwright.sizing import Split, weights_bytes
from rackwright.sizing.weights import computed_bytes, difference
from tests.samples.safetensors import BYTES, decoder_tensors

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 1024,
    "intermediate_size": 2048,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "vocab_size": 4096,
    "max_position_embeddings": 2048,
    "torch_dtype": "float16",
}
INTEGERS = {"bits": 4, "group_size": 128}
PACKED = {"num_bits": 4, "type": "int", "group_size": 128, "strategy": "group"}
CONFIGS: dict[str, dict[str, Any]] = {
    "awq": {"quant_method": "awq", **INTEGERS},
    "gptq": {"quant_method": "gptq", "sym": True, **INTEGERS},
    "fp8": {"quant_method": "fp8", "weight_block_size": [128, 128]},
    "compressed-tensors": {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "config_groups": {"group_0": {"weights": PACKED, "targets": ["Linear"]}},
        "ignore": ["lm_head"],
    },
}
Parts = Iterator[tuple[str, str, list[int]]]


def stored(method: str, out: int, into: int) -> Parts:
    """What stands in the files for one product, by the end of its name."""
    if method in ("awq", "gptq"):
        yield "qweight", "I32", [into // 8, out]
        yield "scales", "F16", [into // 128, out]
        yield "qzeros", "I32", [into // 128, out // 8]
    if method == "gptq":
        yield "g_idx", "I32", [into]
    if method == "fp8":
        yield "weight", "F8_E4M3", [out, into]
        yield "weight_scale_inv", "F32", [out // 128, into // 128]
    if method == "compressed-tensors":
        yield "weight_packed", "I32", [out, into // 8]
        yield "weight_scale", "BF16", [out, into // 128]


def files(method: str) -> Headers:
    found = []
    for name, (_, shape) in decoder_tensors(LLAMA).items():
        parts: Parts = iter([("weight", "F16", [*shape])])
        if "proj" in name:
            parts = stored(method, *shape)
        for part, dtype, dims in parts:
            full = name.replace("weight", part)
            found.append(HeldTensor(full, dtype, tuple(dims), prod(dims) * BYTES[dtype]))
    return Headers((("model.safetensors", 1),), tuple(found))


@pytest.mark.parametrize("method", CONFIGS)
def test_files_and_arithmetic_agree_to_the_byte(method: str) -> None:
    config = {**LLAMA, "quantization_config": CONFIGS[method]}
    shape = shape_of_files(config, files(method), "config")
    assert shape.stored_bytes == computed_bytes(shape)
    assert not difference(shape)


@pytest.mark.parametrize("method", CONFIGS)
def test_an_estimate_holds_what_the_files_hold(method: str) -> None:
    config = {**LLAMA, "quantization_config": CONFIGS[method]}
    unknown = {**config, "architectures": ["NobodyForCausalLM"]}
    guess = shape_of_files(unknown, files(method), "config")
    made = guess.rotary.elements * 2
    assert weights_bytes(guess, Split(), 0) - made == files(method).total_bytes
    assert weights_bytes(guess, Split(2), 0) < 0.51 * weights_bytes(guess, Split(), 0) + made
