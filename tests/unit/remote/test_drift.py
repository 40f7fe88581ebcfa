"""What a host answers to the question for drift: all of it at once, and never a failure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rackwright.remote import drift
from rackwright.remote.host.process_settings import digest, process_settings
from tests.samples.travelling import run

NONCE = "n"
KNOWN = {"gpus": False, "names": ["localhost"], "secrets": None, "interfaces": False,
         "routes": None, "driver": False}  # fmt: skip


def request(folder: Path, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    manifest = {"kind": "manifest", "key": str(folder / "manifest.json"), "packages": [],
                "releases": [], "weights": {}}  # fmt: skip
    return {"items": list(items), "manifest": manifest, "processes": {}, "known": KNOWN,
            "firewall": {"file": "/nowhere", "names": []}, "nonce": NONCE, "deep": False,
            **more}  # fmt: skip


def test_it_runs_on_a_host(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    asked = request(tmp_path, {"kind": "file", "key": str(tmp_path / "a"), "text": True})
    answer = json.loads(run("drift", asked).stdout)
    assert answer["items"][0]["text"] == "text"
    assert answer["manifest"] is None and answer["others"] == {}
    assert answer["known"]["names"]["localhost"]["addresses"]
    assert answer["host"]["kernel"]


def test_items_of_the_manifest_that_nobody_asked_about_are_told_too(tmp_path: Path) -> None:
    path = str(tmp_path / "old.conf")
    Path(path).write_text("old")
    planned = {"files": {path: [], "/nowhere/a": []}, "host": "gpu1"}
    (tmp_path / "manifest.json").write_text(json.dumps({"format": 1, "planned": planned}))
    answer = drift.main(request(tmp_path, {"kind": "file", "key": "/nowhere/a", "text": False}))
    assert set(answer["others"]) == {f"file {path}"}
    assert answer["others"][f"file {path}"]["type"] == "file"
    assert answer["manifest"]["planned"] == planned


def test_what_cannot_be_had_is_null_and_says_why(tmp_path: Path) -> None:
    answer = drift.main(request(tmp_path, {"kind": "nothing", "key": "a"}))
    assert answer["items"] is None
    assert "nothing" in answer["unavailable"]["items"]
    assert answer["sockets"] is not None


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    environment = {"INVOCATION_ID": "1", "SHOWN": "word", "KEY": "hunter2"}
    argv = [sys.executable, "-c", "print(flush=True); input()", "an argument", ""]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(argv, env=environment, **pipes) as one:  # type: ignore[call-overload]
        assert one.stdin and one.stdout
        one.stdout.readline()  # it runs: the kernel shows what it was given a little after exec
        yield one
        one.stdin.close()


def settled(one: subprocess.Popen[bytes]) -> dict[str, Any]:
    said = process_settings(one.pid, ["SHOWN"], NONCE)
    assert said is not None
    return said


def test_a_process_tells_what_it_was_given_and_no_secret(
    process: subprocess.Popen[bytes],
) -> None:
    said = settled(process)
    assert said["argv"][1:] == ["-c", "print(flush=True); input()", "an argument"]
    assert said["variables"] == {"SHOWN": "word"}
    assert said["digests"]["KEY"] == digest("hunter2", NONCE) != digest("hunter2", "another")
    assert "hunter2" not in json.dumps(said)


def test_one_that_is_gone_tells_nothing() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert process_settings(gone.pid, [], NONCE) is None


def test_one_whose_environment_was_written_over_is_not_judged() -> None:
    """Without what systemd gives each: by a title that took its place, or started by hand."""
    said = process_settings(os.getpid(), [], NONCE)
    assert said is not None
    if "INVOCATION_ID" not in os.environ:
        assert said["digests"] is None
