"""The manifest of a bundle: read strictly; and whether its files are what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rackwright.bundling.manifest import NAME, BundledHost, Manifest, read_manifest
from rackwright.bundling.verifying import verified
from rackwright.errors import InputError, SpecError
from tests.samples.bundles import bundle_in

HOSTS = {"gpu1": BundledHost(system="debian 12 amd64", python="3.11.2")}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    manifest = bundle_in(tmp_path, {"wheels/a.whl": b"a"}, HOSTS, debs={"debian 12 amd64": ("a",)})
    assert read_manifest(tmp_path) == manifest
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".partial"] == []


def test_a_folder_without_one_is_not_whole_and_none_is_absent(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not whole yet: run `rackwright bundle` again"):
        read_manifest(tmp_path)
    with pytest.raises(InputError, match="is absent"):
        read_manifest(tmp_path / "none")


@pytest.mark.parametrize("text", ["", "[", '"text"' * 2])
def test_one_that_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(InputError, match="cannot be read"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "changed",
    [
        {"format": 2},
        {"more": 1},
        {"files": {"../a": {"size_bytes": 1, "sha256": "0" * 64}}},
        {"files": {"/etc/shadow": {"size_bytes": 1, "sha256": "0" * 64}}},
        {"files": {"a": {"size_bytes": -1, "sha256": "0"}}},
    ],
)
def test_one_of_another_form_or_place_is_refused(
    tmp_path: Path, changed: dict[str, object]
) -> None:
    (tmp_path / NAME).write_text(json.dumps({**Manifest().model_dump(mode="json"), **changed}))
    with pytest.raises(SpecError, match="no host was touched"):
        read_manifest(tmp_path)


def test_every_file_that_is_another_is_found(tmp_path: Path) -> None:
    contents = {f"files/{name}": b"content" for name in ("right", "changed", "short", "absent")}
    manifest = bundle_in(tmp_path, contents, HOSTS)
    read: list[str] = []
    assert verified(tmp_path, manifest, lambda path, _: read.append(path)) == []
    assert read == sorted(contents)
    (tmp_path / "files/changed").write_bytes(b"CONTENT")
    (tmp_path / "files/short").write_bytes(b"con")
    (tmp_path / "files/absent").unlink()
    found = dict(verified(tmp_path, manifest, lambda *_: None))
    assert set(found) == {"files/changed", "files/short", "files/absent"}
    assert "has the SHA-256" in found["files/changed"]
    assert found["files/short"] == "has 3 bytes, not 7"
    assert "no such file" in found["files/absent"]
