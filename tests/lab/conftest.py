"""The lab, booted fresh once for all lab tests, and ways to deploy to it and look at it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.fleet import LAB, ROOT

BIN = Path(sys.executable).parent
# Bounds that tell a hang from two busy cores: several times what those need.
PATIENCE_S = 600
DEPLOY_PATIENCE_S = 1800


@dataclass
class Run:
    """One finished run of pyinfra: its exit code, its own results, its words, its report."""

    code: int
    stdout: str
    words: str
    report: dict[str, Any]

    def changed(self) -> dict[str, list[str]]:
        """Stage to the hosts it changed, from pyinfra's own results (--json)."""
        operations = json.loads(self.stdout)["results"]["operations"]
        return {one["name"].split(" | ")[0]: one["success"] for one in operations if one["success"]}

    def statuses(self) -> dict[tuple[str, str], str]:
        """(subject, check) to status."""
        return {(row["subject"], row["check"]): row["status"] for row in self.report["results"]}

    def of(self, status: str) -> set[tuple[str, str]]:
        """The (subject, check) pairs of one status."""
        return {key for key, value in self.statuses().items() if value == status}


def lab(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "lab", *words]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=DEPLOY_PATIENCE_S)


def start(*words: str, inventory: str = "inventories/lab.py") -> subprocess.Popen[str]:
    """Start a deploy; for tests that cut it off."""
    argv = [str(BIN / "pyinfra"), inventory, "deploy.py", *words]
    return subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )


def deploy(*words: str, inventory: str = "inventories/lab.py") -> Run:
    """Run a deploy to its end, with pyinfra's results as JSON."""
    latest = ROOT / "reports" / "latest.json"
    before = latest.readlink() if latest.is_symlink() else None
    running = start("-y", "--json", *words, inventory=inventory)
    stdout, stderr = running.communicate(timeout=DEPLOY_PATIENCE_S)
    fresh = latest.is_symlink() and latest.readlink() != before
    report = json.loads(latest.read_text()) if fresh else {"results": []}
    return Run(running.returncode, stdout, stderr, report)


def ssh(host: str, command: str, *, check: bool = True) -> str:
    """What a command on a lab host prints."""
    argv = ["ssh", "-F", str(LAB / "ssh_config"), host, command]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S)
    assert not check or done.returncode == 0, f"{host}: {command}: {done.stderr}{done.stdout}"
    return done.stdout.strip()


def main_pid(host: str, unit: str) -> int:
    """The main process of a unit."""
    return int(ssh(host, f"systemctl show -P MainPID {unit}"))


def nginx_workers() -> str:
    """Pids of the workers: a reload replaces them, under the same master."""
    return ssh("gw1", f"pgrep -P {main_pid('gw1', 'nginx')} | sort | xargs")


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for a condition; fails when it never comes true."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {true}"
        time.sleep(0.2)


@contextmanager
def fresh(*names: str) -> Iterator[None]:
    """Hosts (the lab's own without a name) as debootstrap left them, taken away afterwards."""
    keep = "RACKWRIGHT_KEEP_LAB" in os.environ  # for work on one test: use the lab that is up
    if not keep:
        lab("down", *names)
    up = lab("up", *names)
    assert up.returncode == 0, up.stderr
    yield
    if not keep:
        lab("down", *names)


@pytest.fixture(scope="session")
def fresh_lab() -> Iterator[None]:
    """The lab's hosts: nothing of Rackwright is on them."""
    with fresh():
        yield


@pytest.fixture(scope="session")
def first_deploy(fresh_lab: None) -> Run:
    """The whole journey, once."""
    return deploy()


@pytest.fixture
def deployed(first_deploy: Run) -> Run:
    """A lab on which the first deploy ended well; without that, no later test means anything."""
    if first_deploy.code != 0:
        pytest.fail("the first deploy failed, see test_1_journey", pytrace=False)
    return first_deploy
