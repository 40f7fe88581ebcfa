"""A rollout over two servers under constant load: nothing is lost, whatever ends it, wherever.

llama.cpp serves: it starts in a second. In the order of the tests: what a later one needs, an
earlier one has proven.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.fleet import ROOT
from tests.samples.commands import BIN, DEPLOY_PATIENCE_S, rackwright
from tests.samples.deploys import Run, deploy
from tests.samples.lab_hosts import fresh, ssh
from tests.samples.under_load import under_load

INVENTORY = "tests/lab/inventories/rollout.py"
GATEWAY, SERVERS = "spare1", ("rack1", "rack2")
STAGES = ("drained", "its requests", "changed", "starts", "proven")
"""How the line begins that a step says as it comes there: where the tool is killed."""
BROKEN = '{"no-such-flag": 1}'


@pytest.fixture(scope="module")
def hosts() -> Iterator[None]:
    with fresh(*SERVERS, GATEWAY):
        yield


@pytest.fixture(scope="module")
def first(hosts: None) -> Run:
    return deploy("--data", "stages=base,engines,models,replicas,gateway", inventory=INVENTORY)


@pytest.fixture(autouse=True)
def serving(first: Run) -> None:
    if first.code != 0:
        pytest.fail(first.words[-3000:], pytrace=False)


def slots() -> dict[str, str]:
    """How many requests each replica takes at once, by its own command line."""
    words = "systemctl show -P ExecStart rackwright-chat-{}-0 | grep -o 'parallel [0-9]*'"
    return {name: ssh(name, words.format(name)).split()[1] for name in SERVERS}


def marks() -> list[str]:
    return [ssh(name, "ls /var/lib/rackwright/turns/*.json", check=False) for name in SERVERS]


def rollout(*words: str) -> subprocess.CompletedProcess[str]:
    return rackwright("rollout", INVENTORY, *words)


def test_a_changed_setting_costs_no_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROLLOUT_SLOTS", "3")
    with under_load(tmp_path, "tiny", gateway=GATEWAY) as load:
        done = rollout()
    assert done.returncode == 0, done.stderr[-3000:]
    print(load.words("rollout of a setting over two servers"))
    assert load.summary["failed"] == 0, load.summary
    assert set(slots().values()) == {"3"}
    first, second = (done.stderr.index(f"chat-{name}-0: drained") for name in SERVERS)
    given_back = done.stderr.index("chat-rack1-0: given back")
    assert first < given_back < second
    assert marks() == ["", ""]
