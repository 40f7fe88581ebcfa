"""The lab's hosts: booted, looked at over SSH, and shown other GPUs."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from lab.fleet import LAB, ROOT, RUN
from tests.samples.commands import DEPLOY_PATIENCE_S, PATIENCE_S

PROFILE = "/etc/rackwright-lab/nvml.profile"
UNITS = {"gpu1": "rackwright-chat-gpu1-0", "gpu2": "rackwright-chat-gpu2-0"}
"""The lab's own replicas, by their hosts."""


def lab(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "lab", *words]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=DEPLOY_PATIENCE_S)


def ssh(host: str, command: str, *, check: bool = True) -> str:
    """What a command on a lab host prints."""
    argv = ["ssh", "-F", str(LAB / "ssh_config"), host, command]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S)
    assert not check or done.returncode == 0, f"{host}: {command}: {done.stderr}{done.stdout}"
    return done.stdout.strip()


def release_of(host: str, unit: str) -> str:
    """The folder of the release that a unit names, by its program."""
    program = ssh(host, f"sed -n 's/^ExecStart=\\([^ ]*\\).*/\\1/p' /etc/systemd/system/{unit}")
    return "/".join(program.split("/")[:5])


def main_pid(host: str, unit: str) -> int:
    """The main process of a unit."""
    return int(ssh(host, f"systemctl show -P MainPID {unit}"))


def nginx_workers() -> str:
    """Pids of the workers: a reload replaces them, under the same master."""
    return ssh("gw1", f"pgrep -P {main_pid('gw1', 'nginx')} | sort | xargs")


def replicas_out() -> dict[str, str]:
    """The replicas that the gateway sends no requests, with its reasons."""
    socket = "/run/rackwright-gateway/state.sock"
    state = json.loads(ssh("gw1", f"curl -s --unix-socket {socket} http://localhost/state"))
    replicas = [one for each in state["services"].values() for one in each["replicas"].items()]
    return {name: seen["why"] for name, seen in replicas if seen["state"] != "in"}


def show_gpus(profile: str) -> None:
    """Have gpu1's NVML stand-in show these GPUs from now on.

    At once: the watchdog asks it meanwhile, and of half a file it would see half of the GPUs.
    """
    ssh("gpu1", f"cat > {PROFILE}.new <<'END'\n{profile}END\nmv {PROFILE}.new {PROFILE}")


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for a condition; fails when it never comes true."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {true}"
        time.sleep(0.2)


@contextmanager
def fresh(*names: str) -> Iterator[None]:
    """Hosts as debootstrap left them, taken away afterwards; nobody else has them meanwhile."""
    keep = "RACKWRIGHT_KEEP_LAB" in os.environ  # for work on one test: use the lab that is up
    with _alone(names):
        if not keep:
            lab("down", *names)
        up = lab("up", *names)
        assert up.returncode == 0, up.stderr
        yield
        if not keep:
            lab("down", *names)


@contextmanager
def _alone(names: Sequence[str]) -> Iterator[None]:
    """Wait until no other process of these tests has one of the hosts."""
    folder = RUN / "claims"
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as claims:
        for name in sorted(names):  # all in one order: no two wait for each other
            claim = claims.enter_context((folder / name).open("w"))
            fcntl.flock(claim, fcntl.LOCK_EX)
        yield
