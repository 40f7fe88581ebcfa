"""The catalog's copy says what its files say, and counts for nothing where they changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rackwright.catalog import data

NAMES = sorted(json.loads((data.FOLDER / data.COPY).read_text()))


def test_the_copy_is_of_the_files_that_are_there() -> None:
    """Else `python -m rackwright.catalog` makes it anew."""
    assert (data.FOLDER / data.COPY).read_text() == data.copy()


@pytest.mark.parametrize("name", NAMES)
def test_read_is_what_the_file_says(name: str) -> None:
    said = data.parsed((data.FOLDER / name).read_bytes())
    assert json.dumps(data.read(name)) == json.dumps(said)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(data, "FOLDER", tmp_path)
    monkeypatch.setattr(data, "_copied", data._copied.__wrapped__)
    return tmp_path


def test_a_file_that_was_changed_is_read_itself(folder: Path) -> None:
    (folder / "a.yaml").write_text("key: old\n")
    (folder / data.COPY).write_text(json.dumps({"a.yaml": data._copy_of(b"key: old\n")}))
    assert data.read("a.yaml") == {"key": "old"}
    (folder / "a.yaml").write_text("key: new\n")
    assert data.read("a.yaml") == {"key": "new"}


@pytest.mark.parametrize("copy", [None, "", "{", "[]"])
def test_without_a_copy_files_are_read(folder: Path, copy: str | None) -> None:
    (folder / "a.yaml").write_text("key: 1\n")
    if copy is not None:
        (folder / data.COPY).write_text(copy)
    assert data.read("a.yaml") == {"key": 1}


def test_each_who_reads_has_values_of_its_own() -> None:
    data.read("links.yaml").clear()
    assert data.read("links.yaml")
