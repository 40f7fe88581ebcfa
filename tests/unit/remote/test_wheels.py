"""Wheels of a release listed by uv, and taken, with stand-ins for uv and its Python."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.hub import serve
from rackwright.remote import release, wheels

REVISION = "0" * 40
WHEELS = {"torch-2.13.0-cp312-cp312-linux.whl": b"torch" * 50_000, "a-1-py3-none-any.whl": b"a"}
SHA256 = {name: hashlib.sha256(content).hexdigest() for name, content in WHEELS.items()}
UV = """#!/bin/sh
case "$1" in
venv) for folder; do :; done; mkdir -p "$folder/bin"; cp @/python.sh "$folder/bin/python";;
pip)  [ ! -e @/list-fails ] || { echo "no solution found" >&2; exit 1; }
      case "$*" in *dry-run*) cat @/would >&2;; esac;;
esac
"""
PYTHON = """#!/bin/sh
cat @/packages.json
"""

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="changes user, which only root can")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that other users may enter, with an installer and an index."""
    with tempfile.TemporaryDirectory(prefix="rackwright-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        uv = folder / "uv/abc/bin/uv"
        uv.parent.mkdir(parents=True)
        (folder / "uv/abc/.complete").touch()
        for file, script in ((folder / "python.sh", PYTHON), (uv, UV)):
            file.write_text(script.replace("@", name))
            file.chmod(0o755)
        (folder / "would").write_text("Resolved 2 packages in 1ms\nWould download 2 packages\n")
        (folder / "vllm").mkdir()
        pins = "\n".join(f"x==1 --hash=sha256:{digest}" for digest in SHA256.values())
        (folder / "vllm/0.32.0.txt").write_text(pins)
        (folder / "index").mkdir()
        for file_name, content in WHEELS.items():
            (folder / "index" / file_name).write_bytes(content)
        monkeypatch.setattr(release, "LOCK", folder / "lock")
        monkeypatch.setattr(wheels, "LOCK", folder / "wheels.lock")
        with serve({"org/index": folder / "index"}, REVISION, "127.0.0.1") as url:
            base = f"{url}/org/index/resolve/{REVISION}"
            say(folder, {n: wheel(f"{base}/{n}", n) for n in WHEELS})
            yield folder


def wheel(url: str, name: str) -> list[Any]:
    return [url, len(WHEELS[name]), SHA256[name]]


def say(folder: Path, found: dict[str, list[Any]]) -> None:
    """What uv's list says."""
    (folder / "packages.json").write_text(json.dumps([[n, [w]] for n, w in found.items()]))


def request(fake: Path, do: str, **more: Any) -> dict[str, Any]:
    one = {
        "kind": "venv",
        "folder": f"{fake}/vllm/0.32.0",
        "requirements": f"{fake}/vllm/0.32.0.txt",
    }
    usual = {"uv": f"{fake}/uv/abc", "python": "3.12", "user": "nobody", "releases": [one]}
    return {"do": do, **usual, **more}


def test_wheels_are_listed_and_taken_by_the_engines_user(fake: Path) -> None:
    listed = wheels.main(request(fake, "list"))
    ((folder, one),) = listed.items()
    assert folder == f"{fake}/vllm/0.32.0" and one["label"] == "vllm/0.32.0"
    assert {row[0]: row[1] for row in one["files"]} == {n: len(c) for n, c in WHEELS.items()}
    words = wheels.main(request(fake, "take", wheels=listed, sideways={}))
    assert words == "wheels of 1 release(s) are there"
    there = {path.name: path.read_bytes() for path in (fake / "wheels/0.32.0").iterdir()}
    assert there == WHEELS
    assert (fake / "wheels/0.32.0").stat().st_uid == pwd.getpwnam("nobody").pw_uid


def test_a_release_that_is_there_is_not_listed(fake: Path) -> None:
    (fake / "vllm/0.32.0").mkdir()
    (fake / "vllm/0.32.0/.complete").touch()
    assert wheels.main(request(fake, "list")) == {}


@pytest.mark.parametrize("words", ["Would download 1 package", "Would install 2 packages"])
def test_what_uv_has_in_its_cache_is_not_fetched_again(
    fake: Path, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (fake / "would").write_text(f"{words}\n")
    assert wheels.main(request(fake, "list")) == {}
    assert "most of them are in its cache" in capfd.readouterr().err


NAME = "a-1-py3-none-any.whl"


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ([[f"https://user:secret@index.example/{NAME}", 1, SHA256[NAME]]], "no plain URL"),
        ([[f"file:///opt/{NAME}", 1, SHA256[NAME]]], "no plain URL"),
        ([[None, 1, SHA256[NAME]]], "no plain URL"),
        ([[f"https://index.example/{NAME}", None, SHA256[NAME]]], "no plain URL"),
        ([[f"https://index.example/{NAME}", 1, "0" * 64]], "is not pinned"),
        ([], "is no wheel"),
    ],
)
def test_what_is_odd_about_wheels_leaves_them_to_uv(
    fake: Path, odd: list[Any], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (fake / "packages.json").write_text(json.dumps([["a", odd]]))
    assert wheels.main(request(fake, "list")) == {}
    said = capfd.readouterr().err
    assert words in said and "uv fetches its wheels here" in said and "secret" not in said


def test_an_index_that_knows_them_not_leaves_them_to_uv(
    fake: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (fake / "list-fails").touch()
    assert wheels.main(request(fake, "list")) == {}
    assert "no solution found" in capfd.readouterr().err


def test_a_wheel_that_is_another_is_never_taken(fake: Path) -> None:
    listed = wheels.main(request(fake, "list"))
    (one,) = listed.values()
    one["files"] = [[row[0], row[1], f"sha256:{'0' * 64}", row[3]] for row in one["files"]]
    with pytest.raises(SystemExit, match="has the SHA-256"):
        wheels.main(request(fake, "take", wheels=listed, sideways={}))
