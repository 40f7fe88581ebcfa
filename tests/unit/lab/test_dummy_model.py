"""Folders that engines serve as models of the catalog, without their weights."""

from __future__ import annotations

import json
import struct
from dataclasses import asdict
from pathlib import Path

import pytest

from lab.dummy_model import config_of, main, make
from lab.errors import LabError
from lab.tiny_model import FIRST_WORD
from rackwright import catalog
from rackwright.models import read_shape

NAME = "qwen2.5-0.5b-instruct"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models") / NAME
    make(NAME, made)
    return made


def test_it_has_the_shape_of_the_catalogs_model(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    own = catalog.model_entries()[NAME]["config"]
    assert asdict(read_shape(config)) == asdict(read_shape(own))
    assert config.items() >= own.items()


def test_every_token_of_the_vocabulary_is_text(folder: Path) -> None:
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    config = json.loads((folder / "config.json").read_text())
    assert sorted(vocabulary.values()) == list(range(config["vocab_size"]))
    assert vocabulary["Ġw0"] == FIRST_WORD


def test_it_can_be_talked_to_and_ends(folder: Path) -> None:
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    assert "add_generation_prompt" in tokenizer["chat_template"]
    vocabulary = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    ends = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    assert vocabulary[tokenizer["eos_token"]] == ends


def test_its_weights_are_an_empty_file_of_their_format(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert json.loads(data[8:]) == {"__metadata__": {"format": "pt"}}
    assert len(data) == 8 + length


def test_it_replaces_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old.safetensors").touch()
    make(NAME, tmp_path / "model")
    assert not (tmp_path / "model" / "old.safetensors").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_unknown_name_is_told_the_nearest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(LabError, match="did you mean 'qwen3-8b'"):
        config_of("qwen3-8")
    monkeypatch.setattr("sys.argv", ["dummy_model", "qwen3-8", str(tmp_path / "x")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == LabError.exit_code
    assert "did you mean" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
