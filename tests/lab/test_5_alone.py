"""One box that deploys to itself: a checkout on a bare host, `make setup`, and `@local`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from lab.fleet import BOX, LAB, ROOT
from tests.samples.commands import DEPLOY_PATIENCE_S
from tests.samples.lab_hosts import fresh, ssh

DEPLOY = "cd /srv/rackwright && .venv/bin/pyinfra tests/lab/inventories/alone.py deploy.py -y"


def run_on_box(command: str) -> subprocess.CompletedProcess[str]:
    argv = ["ssh", "-F", str(LAB / "ssh_config"), BOX.name, command]
    return subprocess.run(argv, capture_output=True, text=True, timeout=DEPLOY_PATIENCE_S)


def copy_checkout() -> None:
    """What git knows of this project, as a clone would have it."""
    argv = ["git", "ls-files", "-co", "--exclude-standard"]
    names = subprocess.run(argv, cwd=ROOT, capture_output=True, check=True).stdout
    archive = subprocess.run(
        ["tar", "-cf", "-", "-T", "-"], cwd=ROOT, input=names, capture_output=True, check=True
    ).stdout
    unpack = "mkdir -p /srv/rackwright && tar -xf - -C /srv/rackwright"
    argv = ["ssh", "-F", str(LAB / "ssh_config"), BOX.name, unpack]
    subprocess.run(argv, input=archive, check=True)


@pytest.fixture(scope="module", autouse=True)
def bare() -> Iterator[None]:
    with fresh(BOX.name):
        yield


def test_a_bare_host_sets_itself_up_and_serves() -> None:
    copy_checkout()
    ssh(BOX.name, "apt-get update -qq && apt-get install -y -qq make > /dev/null")
    ready = run_on_box("cd /srv/rackwright && make setup")
    assert ready.returncode == 0, ready.stderr + ready.stdout
    first = run_on_box(DEPLOY)
    assert first.returncode == 0, first.stderr
    report = json.loads(ssh(BOX.name, "cat /srv/rackwright/reports/latest.json"))
    assert {row["status"] for row in report["results"]} == {"OK"}
    assert {row["host"] for row in report["results"]} == {"@local"}
    second = run_on_box(f"{DEPLOY} --json")
    assert second.returncode == 0, second.stderr
    operations = json.loads(second.stdout)["results"]["operations"]
    assert [one["name"] for one in operations if one["success"]] == []
