"""`rackwright bundle` as it is run: what it refuses, and bundles that are read. Nobody is asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rackwright.bundling.manifest import BundledHost
from tests.samples.bundles import bundle_in, said
from tests.samples.commands import run

INVENTORY = "inventories/lab.py"
HOSTS = {"gpu1": BundledHost(system="debian 12 amd64")}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "--out names the folder"),
        (["--ask"], "--ask writes a file: name it with --systems"),
        (["--out", INVENTORY], "is a file"),
    ],
)
def test_a_command_line_that_says_too_little(words: list[str], why: str) -> None:
    done = run("rackwright", "bundle", INVENTORY, *words)
    assert done.returncode == 64 and why in done.stderr


def test_hosts_that_nobody_knows_are_said_and_nothing_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "systems.json").write_text(json.dumps({"gpu1": said()}))
    systems = ["--systems", str(tmp_path / "systems.json")]
    done = run("rackwright", "bundle", INVENTORY, *systems, "--out", str(tmp_path / "out"))
    assert done.returncode == 65
    assert "systems[gpu2]: is not in the file of --systems" in done.stderr
    assert "systems[gw1]" in done.stderr and "nothing was fetched" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_bundle_is_verified_byte_by_byte(tmp_path: Path) -> None:
    bundle_in(tmp_path, {"wheels/a.whl": b"wheel", "models/m": b"weights"}, HOSTS)
    verify = ["rackwright", "bundle", INVENTORY, "--out", str(tmp_path), "--verify"]
    sound = run(*verify)
    assert (sound.returncode, sound.stderr.count("Error")) == (0, 0)
    assert "2 files, 0.0 MB, each as the manifest says" in sound.stdout
    (tmp_path / "models/m").write_bytes(b"WEIGHTS")
    changed = run(*verify)
    assert changed.returncode == 2
    assert changed.stdout.splitlines()[0].startswith("models/m has the SHA-256 ")
    assert "1 of 2 files are not what the manifest says" in changed.stdout


def test_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    done = run("rackwright", "bundle", INVENTORY, "--out", str(tmp_path), "--verify")
    assert done.returncode == 65 and "is not whole yet" in done.stderr
