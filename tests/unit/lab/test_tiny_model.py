"""The lab's model: its files are whole, the same each time, and say what they are meant to."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest

from lab import tiny_model

FILES = {
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
}
Vector = tuple[float, ...]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model") / "deep" / "tiny"
    tiny_model.make(directory)
    return directory


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_inventories_declare_it_as_it_is(model: Path) -> None:
    declared = read(Path(tiny_model.__file__).with_name("tiny_llama.json"))
    made = read(model / "config.json")
    assert declared == {key: made[key] for key in declared}


def tensors(model: Path) -> tuple[dict[str, Any], bytes]:
    data = (model / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def rows(model: Path, name: str) -> list[Vector]:
    """A bf16 matrix as rows of floats."""
    header, data = tensors(model)
    start, end = header[name]["data_offsets"]
    halves = data[start:end]
    wide = b"".join(b"\0\0" + halves[i : i + 2] for i in range(0, len(halves), 2))
    values = struct.unpack(f"<{len(wide) // 4}f", wide)
    width = header[name]["shape"][1]
    return [values[i : i + width] for i in range(0, len(values), width)]


def test_the_files_are_there_for_every_user_to_read(model: Path) -> None:
    assert set(content(model)) == FILES
    assert model.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in model.parent.iterdir()] == ["tiny"], "no scratch left"


def test_the_same_seed_gives_the_same_bytes(model: Path, tmp_path: Path) -> None:
    tiny_model.make(tmp_path / "again")
    tiny_model.make(tmp_path / "other", seed=1)
    assert content(tmp_path / "again") == content(model)
    assert content(tmp_path / "other") != content(model)


def test_it_replaces_what_is_there(model: Path, tmp_path: Path) -> None:
    directory = tmp_path / "tiny"
    directory.mkdir()
    (directory / "stale").touch()
    tiny_model.make(directory)
    assert content(directory) == content(model)


def test_tensors_fill_the_file_without_gap_and_fit_the_config(model: Path) -> None:
    header, data = tensors(model)
    config = read(model / "config.json")
    assert header.pop("__metadata__") == {"format": "pt"}
    offsets = [tensor["data_offsets"] for tensor in header.values()]
    assert [start for start, _ in offsets] == [0, *(end for _, end in offsets[:-1])]
    assert offsets[-1][1] == len(data)
    for tensor in header.values():
        start, end = tensor["data_offsets"]
        assert end - start == 2 * math.prod(tensor["shape"]) and tensor["dtype"] == "BF16"
    assert len(header) == 3 + 9 * config["num_hidden_layers"]
    assert header["lm_head.weight"]["shape"] == [config["vocab_size"], config["hidden_size"]]
    keys = config["num_key_value_heads"] * config["head_dim"]
    assert header["model.layers.1.self_attn.k_proj.weight"]["shape"] == [keys, 256]


def test_heads_split_over_two_gpus_and_suit_the_cpu_engine(model: Path) -> None:
    config = read(model / "config.json")
    split = ("num_attention_heads", "num_key_value_heads", "vocab_size", "intermediate_size")
    assert all(config[key] % 2 == 0 for key in split)
    assert config["head_dim"] >= 32


def test_the_tokenizer_spells_every_byte_and_fills_the_vocabulary(model: Path) -> None:
    tokenizer, config = read(model / "tokenizer.json"), read(model / "config.json")
    vocabulary = tokenizer["model"]["vocab"]
    assert sorted(vocabulary.values()) == list(range(config["vocab_size"]))
    assert [vocabulary[letter] for letter in "!A~"] == [ord(letter) for letter in "!A~"]
    assert vocabulary["\u0120"] == 0x20 and vocabulary["\u010a"] == 0x0A
    special = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    names = read(model / "special_tokens_map.json")
    for key in ("bos", "eos", "pad"):
        assert special[names[f"{key}_token"]] == config[f"{key}_token_id"]


def test_the_best_next_token_spells_the_answer(model: Path) -> None:
    """Embedding and head alone: the layers add little (their weights are below 1/32)."""
    embedding, head = rows(model, "model.embed_tokens.weight"), rows(model, "lm_head.weight")
    vocabulary = read(model / "tokenizer.json")["model"]["vocab"]
    spelled = {number: token for token, number in vocabulary.items()}
    token, said = vocabulary["<|assistant|>"], []
    while (token := best(embedding[token], head)) != vocabulary["<|end|>"]:
        said.append(spelled[token])
    assert "".join(said).replace("\u0120", " ") == tiny_model.ANSWER
    first = vocabulary["Hello"]
    assert all(best(embedding[byte], head) == first for byte in range(256))


def best(hidden: Vector, head: list[Vector]) -> int:
    scores = [sum(map(float.__mul__, hidden, row)) for row in head]
    ahead, second = sorted(scores)[-1:-3:-1]
    assert ahead - second > 8
    return scores.index(ahead)
