"""What was packed before is taken while its files are as they were."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rackwright.runner import packed_before
from rackwright.runner.packed_before import packed


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr(packed_before, "PLACE", tmp_path / "kept/packed_before.pyc")
    monkeypatch.setattr(packed_before, "asked_not_to", lambda: False)
    for name in "ab":
        (tmp_path / name).write_text(name)
    return [tmp_path / "a", tmp_path / "b"]


def made(files: list[Path], names: tuple[str, ...] = ("looks",)) -> tuple[str, int]:
    """The text of the files, packed; and how often that was made now."""
    times = []

    def make() -> tuple[dict[str, str], list[Path]]:
        times.append(1)
        return {"modules": "".join(path.read_text() for path in files)}, files

    return packed(names, make)["modules"], len(times)


def test_it_is_made_once(files: list[Path]) -> None:
    assert [made(files), made(files), made(files)] == [("ab", 1), ("ab", 0), ("ab", 0)]


def test_other_scripts_are_others(files: list[Path]) -> None:
    assert made(files)[1] == made(files, ("looks", "asks"))[1] == 1
    assert made(files)[1] == made(files, ("looks", "asks"))[1] == 0


def test_a_file_of_another_size_or_time_makes_it_anew(files: list[Path]) -> None:
    made(files)
    files[1].write_text("longer")
    assert made(files) == ("alonger", 1)
    files[0].write_text("x")
    os.utime(files[0], ns=(1, 1))
    assert made(files) == ("xlonger", 1)
    assert made(files) == ("xlonger", 0)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"files": 3, "packed": {}}', '{"files": {}, "packed": []}']
)
def test_what_is_broken_is_made_anew(files: list[Path], text: str) -> None:
    made(files)
    (kept,) = packed_before.PLACE.parent.iterdir()
    kept.write_text(text)
    assert made(files) == ("ab", 1)
    assert made(files) == ("ab", 0)


def test_what_changed_while_it_was_read_is_not_kept(files: list[Path]) -> None:
    def changing() -> tuple[dict[str, str], list[Path]]:
        read = {"modules": files[0].read_text()}
        files[0].write_text("b")
        os.utime(files[0], ns=(2**62, 2**62))
        return read, files

    assert packed(("looks",), changing) == {"modules": "a"}
    assert made(files) == ("bb", 1)


def test_a_file_that_is_gone_makes_it_anew(files: list[Path]) -> None:
    made(files)
    files[0].unlink()
    assert made(files[1:]) == ("b", 1)


@pytest.mark.parametrize("why", ["no folder", "asked not to"])
def test_where_nothing_can_be_written_nothing_is_kept(
    files: list[Path], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "no folder":
        packed_before.PLACE.parent.write_text("a file")
    else:
        monkeypatch.setattr(packed_before, "asked_not_to", lambda: True)
    assert [made(files), made(files)] == [("ab", 1), ("ab", 1)]
