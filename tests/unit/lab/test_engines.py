"""What the lab makes for engines other than vLLM: a GGUF file, and Ollama's stand-in as packed."""

from __future__ import annotations

import hashlib
import subprocess
import urllib.request
from pathlib import Path
from struct import unpack_from

import pytest

from lab import ollama, tiny_gguf, tiny_model
from tests.lab.inventories import engines


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    tiny_model.make(folder / "model")
    tiny_gguf.make(folder / "model", folder / "tiny.gguf")
    return folder / "tiny.gguf"


def test_the_file_is_the_one_that_the_inventory_pins(gguf: Path) -> None:
    content = gguf.read_bytes()
    known = engines._FILE
    assert len(content) == known["size_bytes"]
    assert hashlib.sha256(content).hexdigest() == known["sha256"]


def test_the_file_begins_as_gguf_does(gguf: Path) -> None:
    content = gguf.read_bytes()
    magic, version, tensors, values = unpack_from("<4sIQQ", content)
    assert (magic, version) == (b"GGUF", 3)
    assert tensors == 3 + 9 * tiny_model.LAYERS
    assert values == 22
    assert content.count(b"blk.1.attn_q.weight") == 1


def test_the_stand_in_is_packed_as_the_vendor_packs(tmp_path: Path) -> None:
    archive, digest = ollama.pack("0.32.7", tmp_path)
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == digest
    assert ollama.pack("0.32.7", tmp_path)[1] == digest
    assert ollama.pack("0.33.0", tmp_path)[1] != digest
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run(["tar", "-xf", str(archive), "-C", str(root)], check=True)
    assert (root / ollama.CUDA).exists()
    said = subprocess.run([root / "bin/ollama", "--version"], capture_output=True, text=True)
    assert said.stdout == "ollama version is 0.32.7\n"


def test_archives_are_served(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    with ollama.serve(tmp_path, "127.0.0.1") as url, urllib.request.urlopen(f"{url}/a") as answer:
        assert answer.read() == b"content"
