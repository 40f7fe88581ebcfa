"""The lab itself: up twice, and nothing left behind, also after a crash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from lab.apt.repository import URL
from lab.cgroups import hierarchies
from lab.fleet import BRIDGE, RUN
from lab.sysctls import LEAST
from tests.samples.commands import PATIENCE_S
from tests.samples.lab_hosts import lab


def traces() -> list[str]:
    """Everything of the lab that can be seen on this machine."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    rules = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout
    argv = ["ps", "-e", "-o", "stat,args"]  # Z: ended, and its parent has not looked yet
    processes = subprocess.run(argv, capture_output=True, text=True).stdout
    groups = [top / "rackwright-lab" for top in hierarchies()]
    return [
        *(line for line in mounts if "rackwright" in line),
        *(line for line in rules.splitlines() if "rackwright" in line),
        *(line for line in processes.splitlines() if "systemd-nspawn" in line and line[0] != "Z"),
        *(str(group) for group in groups if group.exists()),
        *([BRIDGE] if Path(f"/sys/class/net/{BRIDGE}").exists() else []),
    ]


def settings() -> list[str]:
    """What this machine's kernel is set to, of all that the lab enlarges."""
    return [Path("/proc/sys", name).read_text() for name in LEAST]


@pytest.fixture(autouse=True)
def no_lab() -> None:
    down = lab("down")
    assert down.returncode == 0, down.stderr


def test_up_twice_is_up_once() -> None:
    assert lab("up", "spare1").returncode == 0
    before = lab("status").stdout
    again = lab("up", "spare1")
    assert again.returncode == 0, again.stderr
    assert lab("status").stdout == before
    assert lab("down").returncode == 0
    assert traces() == []


def test_nothing_is_left_after_a_crash() -> None:
    before = settings()
    assert lab("up", "spare1", "spare2").returncode == 0
    record = json.loads((RUN / "lab.json").read_text())
    os.kill(record["containers"]["spare1"]["pid"], signal.SIGKILL)
    assert "dead" in lab("status").stdout
    down = lab("down")
    assert down.returncode == 0, down.stderr
    assert traces() == []
    assert not RUN.joinpath("lab.json").exists()
    assert settings() == before


def test_a_dead_host_is_replaced_by_up() -> None:
    assert lab("up", "spare1").returncode == 0
    record = json.loads((RUN / "lab.json").read_text())
    os.kill(record["containers"]["spare1"]["pid"], signal.SIGKILL)
    up = lab("up", "spare1")
    assert up.returncode == 0, up.stderr
    assert "dead" not in lab("status").stdout
    assert lab("down").returncode == 0
    assert traces() == []


def test_another_folder_s_lab_is_left_alone_and_ci_takes_it_away(tmp_path: Path) -> None:
    assert lab("up", "spare1").returncode == 0
    record = json.loads((RUN / "lab.json").read_text())
    (RUN / "lab.json").write_text(json.dumps(record | {"owner": str(tmp_path)}))
    for verb in ("up", "down"):
        refused = lab(verb, "spare1")
        assert refused.returncode == 1
        assert f"the lab is up from {tmp_path}" in refused.stderr
    assert f"it is up from {tmp_path}" in lab("status").stdout
    assert "dead" not in lab("status").stdout
    assert lab("take-away").returncode == 0
    assert traces() == []


def test_unknown_host_is_refused_by_name() -> None:
    refused = lab("up", "gpu9")
    assert refused.returncode == 1
    assert "gpu9" in refused.stderr and "Traceback" not in refused.stderr


def test_the_imitated_archive_is_there_with_its_hosts_and_goes_with_them() -> None:
    assert lab("up", "deb12").returncode == 0
    assert b"lab.pub" in urllib.request.urlopen(URL, timeout=PATIENCE_S).read()
    assert lab("down", "deb12").returncode == 0
    with pytest.raises(OSError):
        urllib.request.urlopen(URL, timeout=5)
    assert traces() == []


def test_hosts_boot_where_inotify_instances_are_few() -> None:
    """Linux gives 128, all hosts share them, and without one a host's systemd hangs."""
    file = Path("/proc/sys/fs/inotify/max_user_instances")
    before = file.read_text()
    try:
        file.write_text("3")
        up = lab("up", "spare1")
        assert up.returncode == 0, up.stderr
        assert lab("down").returncode == 0
        assert file.read_text() == "3\n"
    finally:
        file.write_text(before)
