"""Weights of the real size: the names, shapes and bytes that an engine reads."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path
from struct import unpack
from typing import Any

import pytest

from lab import dummy_model, random_weights
from lab.errors import LabError
from rackwright.models import read_shape
from rackwright.sizing import Split, weights_bytes

TINY: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"],
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": 300,
}


@pytest.mark.parametrize("model", ["llama-3.1-8b-instruct", "qwen3-8b"])
def test_they_take_what_the_plan_says_of_the_model(model: str) -> None:
    config = dummy_model.config_of(model)
    written = sum(map(random_weights.bytes_of, random_weights.tensors(config)))
    assert written == pytest.approx(weights_bytes(read_shape(config), Split(1), 0), rel=0.003), (
        "the plan adds tables of rotary embeddings, which are in no file"
    )


def test_a_kind_that_is_not_made_up_is_refused() -> None:
    with pytest.raises(LabError, match="LlamaForCausalLM"):
        list(random_weights.tensors({**TINY, "architectures": ["GptOssForCausalLM"]}))


def test_files_are_whole_and_every_tensor_is_in_the_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dummy_model, "config_of", lambda name: {**TINY, **MORE})
    monkeypatch.setattr(random_weights, "BLOCK_BYTES", 1 << 12)
    wanted = list(random_weights.tensors(TINY))
    assert len(random_weights.shards(wanted, 60_000)) > 1
    monkeypatch.setattr(random_weights, "shards", lambda its: SHARDS(its, 60_000))
    random_weights.make("tiny", tmp_path / "tiny")
    index = json.loads((tmp_path / "tiny/model.safetensors.index.json").read_text())
    assert set(index["weight_map"]) == {name for name, _ in wanted}
    for file in set(index["weight_map"].values()):
        content = (tmp_path / "tiny" / file).read_bytes()
        (length,) = unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])
        header.pop("__metadata__")
        ends = 0
        for tensor in header.values():
            begins, ends = tensor["data_offsets"][0], tensor["data_offsets"][1]
            assert ends - begins == 2 * prod(tensor["shape"])
        assert len(content) == 8 + length + ends
        numbers = content[8 + length + 1 :: 2]
        assert set(numbers) <= {0x3C, 0xBC}, "of one size, neither infinite nor no number"


SHARDS = random_weights.shards
MORE = {"max_position_embeddings": 512}
