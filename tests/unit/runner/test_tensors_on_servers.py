"""Headers of weights on servers: one question a server, and what its answer is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.inventory import Inventory

from rackwright.inventory.weight_sources import WeightSource, weight_sources
from rackwright.models.spec import ModelSource
from rackwright.models.tensors.files import folder_headers
from rackwright.models.tensors.headers import Headers
from rackwright.runner import tensors
from rackwright.runner.tensors import headers_on_servers
from tests.samples.safetensors import file_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def source(path: Path) -> WeightSource:
    """At a path that no inventory may name: tests write where engines do not look."""
    return WeightSource("own", ModelSource.model_construct(path=str(path)), ("@local",))


def test_what_lies_on_a_server_is_read_there(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(file_of({"a.weight": ("BF16", [2, 3])}))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/model.safetensors").write_bytes(b"1234")
    good, absent = source(tmp_path), source(tmp_path / "absent")
    broken = source(tmp_path / "broken")
    seen = headers_on_servers(Inventory((["@local"], {})), [good, absent, broken])
    found = seen[good]["@local"]
    assert isinstance(found, Headers)
    assert found.tensors == folder_headers(tmp_path).tensors
    assert seen[absent]["@local"] == f"{tmp_path}/absent: No such file or directory"
    words = "model.safetensors has 4 bytes, no safetensors file"
    assert seen[broken]["@local"] == f"{tmp_path}/broken: {words}"


@pytest.mark.parametrize("answer", [{}, {"tensors": 3}, {"files": [[1]], "tensors": [[]]}])
def test_an_answer_of_another_form_is_said(
    answer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensors, "call", lambda *_, **__: answer)
    one = source(tmp_path)
    (words,) = headers_on_servers(Inventory((["@local"], {})), [one])[one].values()
    assert isinstance(words, str) and words.startswith("its answer cannot be read")


def test_places_are_those_of_services_whatever_else_is_wrong() -> None:
    models = {"own": {"path": "/srv/own", "tensors": "own.json", "config": 7}, "odd": 3}
    services = {
        "a": {"model": "own", "servers": ["gpu1", "gone"]},
        "b": {"model": "qwen3-8b", "revision": COMMIT, "servers": ["gpu1"]},
        "c": {"model": "odd"},
        "d": 7,
    }
    mirror = {"HF_ENDPOINT": "http://mirror.example.com"}
    hosts = {"gpu1": {"models": models, "services": services, "engine_environment": mirror}}
    first, second = weight_sources(hosts)
    assert (first.source.path, first.servers, first.saved) == ("/srv/own", ("gpu1",), "own.json")
    assert (second.source.revision, second.hub) == (COMMIT, mirror["HF_ENDPOINT"])
