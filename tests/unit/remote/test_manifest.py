"""The manifest on a host: written once, the same after a rebuild, and never with a time."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rackwright.desired.items import Manifest, differences, payload, query
from rackwright.remote import state
from rackwright.remote.host import noted
from rackwright.remote.items import stamps

Command = Callable[[str, str], Path]
DPKG = "#!/bin/sh\nprintf 'nginx\\tinstall ok installed\\t{version}\\n'\n"


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where weights and a release are; dpkg is stood in for."""
    monkeypatch.setattr(state, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(stamps, "FOLDER", tmp_path / "stamps")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(noted, "BEHIND", 0)
    (tmp_path / "bin").mkdir()
    dpkg(tmp_path, "1.22.1-9")
    folder = tmp_path / "weights"
    (folder / "deep").mkdir(parents=True)
    (folder / ".cache").mkdir()
    for name in ("model.safetensors", "deep/more.safetensors", ".cache/notes"):
        (folder / name).write_text(name)
    packages = tmp_path / "release/lib/python3.11/site-packages"
    for name in ("Torch_Vision-2.14.0.dist-info", "vllm-0.32.0+cpu.dist-info", "vllm"):
        (packages / name).mkdir(parents=True)
    return tmp_path


def dpkg(host: Path, version: str) -> None:
    path = host / "bin/dpkg-query"
    path.write_text(DPKG.format(version=version))
    path.chmod(0o755)


def manifest(host: Path, pinned: str | None = None, **planned: Any) -> Manifest:
    weights = {str(host / "weights"): pinned}
    said = {"host": "gpu1", "packages": {"nginx": {}}, **planned}
    path = str(host / "manifest.json")
    return Manifest(path, said, ["nginx"], [str(host / "release")], weights)


def differs(item: Manifest) -> list[str]:
    seen = state.main(json.loads(json.dumps({"do": "observe", "items": query([item])})))
    return [change.reason for change in differences([item], json.loads(json.dumps(seen)))]


def deploy(item: Manifest) -> list[str]:
    """Why it was written, if it was."""
    seen = state.main({"do": "observe", "items": query([item])})
    changes = differences([item], seen)
    if changes:
        assert state.main(json.loads(json.dumps({"do": "apply", "items": payload(changes)}))) == {}
    return [change.reason for change in changes]


def lies(host: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((host / "manifest.json").read_text())
    return found


def test_it_is_written_once_and_is_root_s_alone(host: Path) -> None:
    assert deploy(manifest(host)) == ["not there yet: write"]
    for name in ("manifest.json", "weights.json"):
        assert stat.S_IMODE((host / name).stat().st_mode) == 0o600
    assert deploy(manifest(host)) == []


def test_how_much_is_to_be_read_is_said_before(host: Path) -> None:
    with (host / "weights/large.safetensors").open("wb") as large:
        large.truncate(3 << 30)
    words = "not there yet: write, once 3 GiB of weights are read"
    assert differs(manifest(host)) == [words]
    assert differs(manifest(host, pinned="f" * 64)) == ["not there yet: write"]


def test_it_notes_what_only_the_host_knows(host: Path) -> None:
    deploy(manifest(host))
    said = lies(host)["noted"]
    assert said["packages"] == {"nginx": {"version": "1.22.1-9", "hold": False}}
    assert said["releases"] == {
        str(host / "release"): {"torch-vision": "2.14.0", "vllm": "0.32.0+cpu"}
    }
    (files,) = said["weights"].values()
    assert {name: file["size_bytes"] for name, file in files.items()} == {
        "model.safetensors": 17,
        "deep/more.safetensors": 21,
    }
    assert all(len(file["sha256"]) == 64 for file in files.values())


def test_it_is_the_same_after_a_rebuild(host: Path) -> None:
    """No time and no place on a disk is in it."""
    deploy(manifest(host))
    before = (host / "manifest.json").read_bytes()
    for name in ("manifest.json", "weights.json"):
        (host / name).unlink()
    for path in (host / "weights").rglob("*.safetensors"):
        os.utime(path, (1, 1))
    deploy(manifest(host))
    assert (host / "manifest.json").read_bytes() == before


def test_another_plan_writes_it_anew(host: Path) -> None:
    deploy(manifest(host))
    assert deploy(manifest(host, port=8001)) == ["is of another plan: write"]
    assert lies(host)["planned"]["port"] == 8001


def test_what_changed_on_the_host_is_noted_anew(host: Path) -> None:
    deploy(manifest(host))
    dpkg(host, "1.22.1-10")
    (host / "weights/deep/more.safetensors").unlink()
    words = f"packages nginx, weights {host}/weights changed since: note"
    assert deploy(manifest(host)) == [words]
    assert deploy(manifest(host)) == []
    assert lies(host)["noted"]["packages"]["nginx"]["version"] == "1.22.1-10"


def test_weights_are_read_once_and_again_only_where_they_were_written(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = noted._sha256

    def spied(path: Path) -> str:
        read.append(path.name)
        return real(path)

    monkeypatch.setattr(noted, "_sha256", spied)
    deploy(manifest(host))
    assert sorted(read) == ["model.safetensors", "more.safetensors"]
    (host / "weights/model.safetensors").write_text("others of this size"[:17])
    read.clear()
    deploy(manifest(host))
    deploy(manifest(host, port=1))
    assert read == ["model.safetensors"]


def test_a_file_that_is_pinned_is_not_read_again(
    host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage of models has compared it with its digest."""
    monkeypatch.setattr(noted, "_sha256", lambda path: pytest.fail(f"{path} was read"))
    deploy(manifest(host, pinned="f" * 64))
    (files,) = lies(host)["noted"]["weights"].values()
    assert {file["sha256"] for file in files.values()} == {"f" * 64}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', "\x00"])
def test_one_that_cannot_be_read_is_written_anew(host: Path, text: str) -> None:
    deploy(manifest(host))
    (host / "manifest.json").write_text(text)
    (host / "weights.json").write_text(text)
    assert deploy(manifest(host)) == ["not there yet: write"]
    assert deploy(manifest(host)) == []


def test_one_that_others_may_read_is_written_anew(host: Path) -> None:
    deploy(manifest(host))
    (host / "manifest.json").chmod(0o644)
    assert differs(manifest(host)) == ["is open to others: write"]
    deploy(manifest(host))
    assert differs(manifest(host)) == []
