"""A model in Ollama: created or pulled at its digest, and loaded. Against the lab's stand-in."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.ollama import PROGRAM
from rackwright.engines import ENGINES
from rackwright.remote import ollama_model

WEIGHTS = b"GGUF and nothing else"
SHA256 = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The stand-in, on a free port of loopback."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        number = int(one.getsockname()[1])
    own = {"OLLAMA_HOST": f"127.0.0.1:{number}", "OLLAMA_MODELS": str(tmp_path / "models")}
    environment = {**os.environ, **own, "OLLAMA_CONTEXT_LENGTH": "4096"}
    with (tmp_path / "log").open("w") as log:
        argv = [sys.executable, str(PROGRAM), "serve"]
        running = subprocess.Popen(argv, env=environment, stderr=log)
    deadline = time.monotonic() + 60
    while True:
        try:
            get(number, "/api/version")
            break
        except OSError:
            assert time.monotonic() < deadline and running.poll() is None
            time.sleep(0.02)
    yield number
    running.kill()
    running.wait()


def get(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
        return json.load(answer)


def said(tmp_path: Path) -> list[str]:
    """The requests that the stand-in heard."""
    return [line.split('"')[1] for line in (tmp_path / "log").read_text().splitlines()]


def have(port: int, source: str, sha256: str = SHA256, context: int = 1024) -> None:
    argv = ["127.0.0.1", str(port), "chat", source, sha256, str(context)]
    sys.argv[1:] = argv
    ollama_model.main()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "argv", ["ollama-model"])
    path = tmp_path / "model.gguf"
    path.write_bytes(WEIGHTS)
    return str(path)


def test_on_a_loopback_address_it_is_called_by_a_name_that_it_knows(
    port: int, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is declared by a name of its own, which is 127.0.1.1 there on Debian."""
    other = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Host": "gpu1.example"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(other)
    dial = socket.create_connection
    monkeypatch.setattr(
        socket, "create_connection", lambda where, *a: dial(("127.0.0.1", port), *a)
    )
    sys.argv[1:] = ["gpu1.example", str(port), "chat", file, SHA256, "1024"]
    ollama_model.main()
    assert get(port, "/api/ps")["models"]


def test_a_file_becomes_a_model_that_is_loaded(port: int, file: str) -> None:
    have(port, file)
    (row,) = get(port, "/api/ps")["models"]
    assert (row["name"], row["context_length"]) == ("chat:latest", 1024)
    assert [one["id"] for one in get(port, "/v1/models")["data"]] == ["chat:latest"]
    assert ENGINES["ollama"].listed(get(port, "/v1/models")) == {"chat": None}


def test_the_second_time_it_is_only_loaded(port: int, file: str, tmp_path: Path) -> None:
    have(port, file)
    before = len(said(tmp_path))
    have(port, file)
    again = said(tmp_path)[before:]
    assert not [line for line in again if "create" in line or "blobs" in line]
    assert any("/api/generate" in line for line in again)


def test_another_context_or_file_is_another_model(port: int, file: str, tmp_path: Path) -> None:
    have(port, file)
    have(port, file, context=2048)
    assert get(port, "/api/ps")["models"][0]["context_length"] == 2048
    other = b"GGUF of another kind"
    Path(file).write_bytes(other)
    have(port, file, hashlib.sha256(other).hexdigest(), 2048)
    assert sum("POST /api/create" in line for line in said(tmp_path)) == 3


def test_a_file_of_another_digest_is_refused(port: int, file: str) -> None:
    with pytest.raises(SystemExit, match="digest mismatch"):
        have(port, file, "0" * 64)
    assert get(port, "/api/tags") == {"models": []}


def test_what_is_no_gguf_is_refused_in_ollamas_words(port: int, file: str) -> None:
    Path(file).write_bytes(b"text")
    with pytest.raises(SystemExit, match="only GGUF is supported"):
        have(port, file, hashlib.sha256(b"text").hexdigest())


def pulled_digest(port: int) -> str:
    """What the registry's model is, as `ollama list` would show it."""
    ollama_model.OllamaApi("127.0.0.1", port).stream("/api/pull", {"model": "tiny:1b"})
    (row,) = get(port, "/api/tags")["models"]
    return str(row["digest"])


def test_a_pulled_model_is_served_under_the_planned_name(port: int, file: str) -> None:
    digest = pulled_digest(port)
    have(port, "pull:tiny:1b", digest)
    assert [row["name"] for row in get(port, "/api/ps")["models"]] == ["chat:latest"]


def test_a_pulled_model_of_another_digest_is_removed(port: int, file: str) -> None:
    with pytest.raises(SystemExit, match=r"tiny:1b is now [0-9a-f]{64} in the registry, not 0000"):
        have(port, "pull:tiny:1b", "0" * 64)
    assert get(port, "/api/tags") == {"models": []}


def test_a_model_that_the_registry_lacks_is_said_in_its_words(port: int, file: str) -> None:
    with pytest.raises(SystemExit, match="file does not exist"):
        have(port, "pull:absent:1b", "0" * 64)


def test_nobody_there_is_one_line(file: str) -> None:
    with pytest.raises(SystemExit, match="ConnectionRefusedError"):
        have(1, file)


def test_large_numbers_are_read_as_go_prints_them() -> None:
    assert ollama_model._number("1.048576e+06") == 1048576
    assert ollama_model._number("<|end|>") != ollama_model._number("<|end|>"), "not a number"
