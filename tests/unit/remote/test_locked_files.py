"""A model's folder beside what is locked of it; no other user is needed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote.downloads.locked_files import at_first_sight, compare, listed, problems

CONTENT = {"config.json": b"{}", "model.safetensors": b"weights", "sub/tokenizer.json": b"[]"}


def locked(**changed: bytes) -> dict[str, Any]:
    content = {**CONTENT, **changed}
    return {name: [hashlib.sha256(text).hexdigest(), len(text)] for name, text in content.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    for name, text in CONTENT.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(text)
    return made


@pytest.fixture
def stamps(tmp_path: Path) -> Path:
    return tmp_path / "stamps"


def test_what_is_not_locked_is_not_looked_at(folder: Path, stamps: Path) -> None:
    (folder / "config.json").unlink()
    assert problems(folder, {}, stamps) == ""


def test_files_are_compared_once(folder: Path, stamps: Path) -> None:
    assert problems(folder, locked(), stamps) == f"{folder} was not compared with its digests yet"
    compare(folder, locked(), stamps, ours=False)
    assert problems(folder, locked(), stamps) == ""


def test_a_file_that_was_touched_since_is_compared_again(folder: Path, stamps: Path) -> None:
    compare(folder, locked(), stamps, ours=False)
    (folder / "config.json").write_bytes(b"[]")
    assert "was not compared" in problems(folder, locked(), stamps)
    with pytest.raises(SystemExit, match="is locked: move it away, or lock it"):
        compare(folder, locked(), stamps, ours=False)
    assert (folder / "config.json").read_bytes() == b"[]", "what is the operator's stays"


def test_another_lock_is_compared_with(folder: Path, stamps: Path) -> None:
    compare(folder, locked(), stamps, ours=False)
    other = locked(**{"config.json": b"[]"})
    assert "was not compared" in problems(folder, other, stamps)


def test_a_broken_file_of_a_download_is_set_aside_and_so_missing(
    folder: Path, stamps: Path
) -> None:
    (folder / "model.safetensors").write_bytes(b"weightz")
    with pytest.raises(SystemExit, match="it is set aside; the next run fetches it"):
        compare(folder, locked(), stamps, ours=True)
    assert (folder / "model.safetensors.broken").read_bytes() == b"weightz"
    assert (
        problems(folder, locked(), stamps) == f"{folder} lacks model.safetensors, which is locked"
    )


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.json", None, "lacks config.json, which is locked"),
        ("config.json", b"{ }", "has 3 bytes, 2 are locked"),
        ("other.safetensors", b"x", "has other.safetensors, which is not locked"),
        ("sub/more.json", b"x", "has sub/more.json, which is not locked"),
        ("README.md", b"x", ""),
        (".cache/notes.json", b"x", ""),
    ],
)
def test_what_is_wrong_at_first_sight(
    folder: Path, name: str, content: bytes | None, words: str
) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
    found = at_first_sight(folder, locked())
    assert found.endswith(words) and bool(found) == bool(words)


def test_a_folder_is_listed_with_sizes_and_digests(folder: Path) -> None:
    (folder / ".cache").mkdir()
    (folder / ".cache/notes").write_text("x")
    assert listed(folder, {}) == locked()
    assert listed(folder / "gone", {}) == {}


def test_what_is_known_at_that_size_is_not_read_again(folder: Path) -> None:
    known = {name: ["00" * 32, size] for name, (_, size) in locked().items()}
    (folder / "config.json").write_bytes(b"longer")
    found = listed(folder, known)
    assert found["model.safetensors"][0] == "00" * 32
    assert found["config.json"] == locked(**{"config.json": b"longer"})["config.json"]
