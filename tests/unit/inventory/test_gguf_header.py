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
    assert parts.head == 256 * 512 // 256 * 210 + 256 * 4  # the table once more, and the norm


def of_parts(folder: Path, sizes: dict[int, int] | None = None) -> dict[str, Any]:
    """The same in two files, the second with the last layer."""
    made, all_of = declared(folder), gguf_files.tensors(3)
    last = {name: all_of[name] for name in all_of if name.startswith("blk.2")}
    metadata = gguf_files.metadata("llama", 3) | {"split.count": 2}
    for number, own in enumerate(({**all_of}, last), 1):
        own = {name: own[name] for name in own if (name in last) == (number == 2)}
        gguf_files.write(folder / f"own-0000{number}-of-00002.gguf", metadata, own)
    parts = [
        {"sha256": "0" * 64, "size_bytes": (sizes or {}).get(n, path.stat().st_size)}
        for n, path in enumerate(sorted(folder.glob("own-*.gguf")), 1)
    ]
    made["services"]["own"]["gguf"] = {"path": "/srv/own-00001-of-00002.gguf", "parts": parts}
    made["models"]["own"]["header"] = str(folder / "own-00002-of-00002.gguf")
    return made


def test_a_split_file_is_planned_by_all_of_its_headers(tmp_path: Path) -> None:
    (replica, *_) = plan(load_fleet(hosts(**of_parts(tmp_path)))).replicas
    (tmp_path / "whole").mkdir()
    (whole, *_) = plan(load_fleet(hosts(**declared(tmp_path / "whole")))).replicas
    assert replica.memory == whole.memory


def test_a_part_of_another_size_or_missing_is_said_before_any_host(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"gguf\.parts\[1\]\.size_bytes: must be \d+, as the fil"):
        load_fleet(hosts(**of_parts(tmp_path, {2: 7})))
    made = of_parts(tmp_path)
    (tmp_path / "own-00001-of-00002.gguf").unlink()
    with pytest.raises(SpecError, match=r"/own-00001-of-00002\.gguf: cannot be read"):
        load_fleet(hosts(**made))


def test_one_file_is_not_the_parts_that_the_header_names(tmp_path: Path) -> None:
    made = of_parts(tmp_path)
    made["services"]["own"]["gguf"] = declared(tmp_path)["services"]["own"]["gguf"]
    with pytest.raises(SpecError, match=r"gguf: must be 2 file\(s\), as header of own names"):
        load_fleet(hosts(**made))


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
