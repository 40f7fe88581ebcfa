from __future__ import annotations

import json
from pathlib import Path

import pytest

from rackwright.errors import InputError, SpecError
from rackwright.locking import Lock, lock_path, read_lock, write_lock
from rackwright.locking.lock_file import text_of_lock
from tests.samples.locks import fresh, lock, pins


def test_it_lies_beside_the_inventory() -> None:
    assert lock_path(Path("inventories/prod.py")) == Path("inventories/prod.lock.json")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "prod.lock.json"
    assert read_lock(path) is None
    for each in (lock(), fresh(pins()).lock):
        write_lock(path, each)
        assert read_lock(path) == each
    assert [one.name for one in tmp_path.iterdir()] == ["prod.lock.json"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_package_is_a_line_in_a_sorted_file() -> None:
    lines = text_of_lock(lock()).splitlines()
    (nginx,) = (line for line in lines if line.strip().startswith('"nginx"'))
    assert json.loads("{" + nginx.strip().rstrip(",") + "}")["nginx"]["version"] == "1.0-1"
    data = json.loads(text_of_lock(lock()))
    assert list(data) == sorted(data)
    assert list(data["systems"]["debian 12 amd64"]["packages"]) == ["libdep1", "nginx"]


def test_every_fault_is_said_with_its_path(tmp_path: Path) -> None:
    path = tmp_path / "prod.lock.json"
    data = json.loads(text_of_lock(lock()))
    data["systems"]["debian 12 amd64"]["packages"]["nginx"]["sha256"] = "no digest"
    data["modles"] = {}
    path.write_text(json.dumps(data))
    with pytest.raises(SpecError) as caught:
        read_lock(path)
    words = str(caught.value)
    assert "2 faults in the lock file" in words
    assert "packages.nginx.sha256: must be a SHA-256 digest" in words
    assert "modles: is not a known key, did you mean 'models'?" in words


def test_a_release_is_judged_as_the_kind_that_it_is(tmp_path: Path) -> None:
    path = tmp_path / "prod.lock.json"
    data = json.loads(text_of_lock(fresh(pins()).lock))
    (vllm,) = (key for key in data["releases"] if key.startswith("vllm/"))
    data["releases"][vllm]["sha256"] = "no digest"
    data["releases"]["other"], data["releases"]["none"] = {"kind": "zip"}, 3
    path.write_text(json.dumps(data))
    with pytest.raises(SpecError) as caught:
        read_lock(path)
    assert [str(fault) for fault in caught.value.faults] == [
        "prod.lock.json.releases[none].kind: must be one of venv, archive",
        "prod.lock.json.releases[other].kind: must be one of venv, archive (got 'zip')",
        f"prod.lock.json.releases[{vllm}].sha256: must be a SHA-256 digest, 64 hex digits"
        " (got 'no digest')",
    ]


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\x00"])
def test_what_is_no_json_is_one_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prod.lock.json"
    path.write_text(text)
    with pytest.raises(InputError, match="cannot be read"):
        read_lock(path)


@pytest.mark.parametrize("data", ["3", "[]", '{"format": 2}'])
def test_what_is_no_lock_of_ours_is_a_fault(tmp_path: Path, data: str) -> None:
    path = tmp_path / "prod.lock.json"
    path.write_text(data)
    with pytest.raises(SpecError):
        read_lock(path)


def test_a_folder_that_is_not_there_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        write_lock(tmp_path / "gone" / "prod.lock.json", Lock())
