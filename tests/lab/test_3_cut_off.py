"""A run that is cut off is repaired by running again; upgrades and rollbacks switch a link.

The upgrade brings a key for the engine and the rollback takes it away: a restart each, not two.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

import pytest

from lab.fleet import LAB, ROOT
from tests.samples.deploys import Run, deploy, start
from tests.samples.gateway import ask_many
from tests.samples.lab_hosts import UNITS, main_pid, nginx_workers, release_of, ssh, wait_until

GPU2 = UNITS["gpu2"]
UPGRADE = ROOT / ".cache" / "lab" / "vllm-upgrade.txt"
MARKER = "qzvxk"  # no number: that would be the id of some process


@pytest.fixture(scope="module")
def upgrade() -> list[str]:
    """Settings of another release: the same wheels by another lock, so another digest."""
    LAB.mkdir(parents=True, exist_ok=True)
    lock = (ROOT / "lab" / "vllm-0.32.0-cpu.txt").read_text()
    UPGRADE.write_text(lock + "# another release\n")
    return ["--limit", "gpu2", "--data", f"vllm_requirements={UPGRADE.relative_to(ROOT)}"]


@dataclass(frozen=True)
class Engine:
    """The live release of gpu2, and the process that runs it."""

    release: str
    pid: int


def engine() -> Engine:
    return Engine(release_of("gpu2", f"{GPU2}.service"), main_pid("gpu2", GPU2))


@pytest.fixture(scope="module")
def before(first_deploy: Run) -> Engine:
    return engine()


@pytest.fixture(scope="module")
def cut_off(before: Engine, upgrade: list[str]) -> None:
    """The upgrade has begun to install, and was killed."""
    running = start("-y", *upgrade)
    wait_until(lambda: ssh("gpu2", "pgrep -f '[u]v pip sync' || true") != "")
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    ssh("gpu2", "pkill -KILL -f '[u]v pip sync'; true")  # as when the server lost its power


def test_install_cut_off_never_becomes_live(deployed: Run, before: Engine, cut_off: None) -> None:
    assert engine() == before
    assert incomplete_releases() == 1


@pytest.fixture(scope="module")
def upgraded(cut_off: None, upgrade: list[str]) -> Run:
    """The upgrade again, to its end, and now with a key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_API_KEY", f"sk-lab-{MARKER}-secret")
        return deploy(*upgrade, "--diff", "--data", "engine_api_key_env=LAB_API_KEY")


def test_install_cut_off_is_repaired(deployed: Run, before: Engine, upgraded: Run) -> None:
    assert upgraded.code == 0, upgraded.words
    assert upgraded.changed() == {"Engines": ["gpu2"], "Replicas": ["gpu2"]}
    assert engine().release != before.release
    assert engine().pid != before.pid
    assert incomplete_releases() == 0


def incomplete_releases() -> int:
    folders = "for d in /opt/rackwright/vllm/*-cpu-*/; do [ -e $d.complete ] || echo $d; done"
    return len(ssh("gpu2", folders).splitlines())


def test_secrets_are_in_no_log_and_on_no_command_line(deployed: Run, upgraded: Run) -> None:
    assert "chat-gpu2-0.env: content differs" in upgraded.words
    for text in (upgraded.words, upgraded.stdout, str(upgraded.report)):
        assert MARKER not in text
    logged = f"journalctl --no-pager | grep {MARKER}; ps -e -o args | grep '[s]k-lab'; true"
    assert ssh("gpu2", logged) == ""
    models = "curl -s -o /dev/null -w '%{http_code}' 198.18.0.12:8000/v1/models"
    assert ssh("gpu2", models) == "401"


def test_rollback_installs_nothing(deployed: Run, upgraded: Run) -> None:
    run = deploy("--limit", "gpu2")
    assert run.code == 0, run.words
    assert run.changed() == {"Replicas": ["gpu2"]}
    assert f"file /etc/systemd/system/{GPU2}.service: content differs" in run.words
    assert "installing" not in run.words


def test_gateway_stage_cut_off_between_writing_and_reloading(deployed: Run) -> None:
    """nginx's test hangs (a wrapper), the run and its half on the host are killed there."""
    config = "/etc/nginx/conf.d/rackwright.conf"
    workers = nginx_workers()
    setting = ["--data", "nginx_read_timeout_s=603"]
    ssh("gw1", "mv /usr/sbin/nginx /usr/sbin/nginx.real && printf '#!/bin/sh\\nexec sleep 600\\n'"
        " > /usr/sbin/nginx && chmod 755 /usr/sbin/nginx")  # fmt: skip
    try:
        running = start("-y", "--limit", "gw1", *setting)
        wait_until(lambda: "603s" in ssh("gw1", f"grep read_timeout {config}"))
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
        ssh("gw1", "pkill -KILL -f '[m]akes what travelled'; pkill -KILL -f '[s]leep 600'; true")
    finally:
        ssh("gw1", "mv /usr/sbin/nginx.real /usr/sbin/nginx")
    assert nginx_workers() == workers  # not reloaded

    run = deploy(*setting)
    assert run.code == 0, run.words
    assert run.changed() == {"Gateway": ["gw1"]}
    wait_until(lambda: nginx_workers() != workers)
    assert deploy().changed() == {"Gateway": ["gw1"]}  # back to what the inventory says
    assert ask_many(2, at_once=1)
