"""A model that an inventory knows by the header of its GGUF file: no figures by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from tests.samples import gguf_files
from tests.samples.fleet import hosts, service


def declared(folder: Path, engine: str = "llamacpp", size_bytes: int = 0) -> dict[str, Any]:
    path = gguf_files.write(
        folder / "own.gguf", gguf_files.metadata("llama", 3), gguf_files.tensors(3)
    )
    gguf = {
        "path": "/srv/models/own.gguf",
        "sha256": "0" * 64,
        "size_bytes": size_bytes or path.stat().st_size,
    }
    asked = service("own", engine=engine, max_model_len=2048, revision=...)
    asked |= {"gguf": gguf} if engine == "llamacpp" else {"path": "/srv/models/own"}
    settings = {
        "llamacpp_version": "0.6.0",
        "llamacpp_url": "https://example.com/llama.tar.gz",
        "llamacpp_sha256": {"amd64": "0" * 64},
    }
    models = {"own": {"path": "/srv/models/own", "header": str(path)}}
    return {"services": {"own": asked}, "models": models, **settings}


def test_it_is_planned_by_its_own_bytes(tmp_path: Path) -> None:
    made = plan(load_fleet(hosts(**declared(tmp_path))))
    (replica, *_) = made.replicas
    assert replica.model.shape.in_file
    parts = replica.model.shape.in_file
    assert replica.memory.weights_bytes == sum(parts.layers) + parts.head


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"engine": "vllm"}, "which engine vllm does not serve"),
        ({"size_bytes": 5}, "gguf.size_bytes: must be"),
    ],
)
def test_another_engine_or_file_is_refused(
    changed: dict[str, Any], rule: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=rule):
        load_fleet(hosts(**declared(tmp_path, **changed)))
