"""One run of what is timed: its seconds, its processor time here and on the hosts, its commands."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.converge import sessions
from benchmarks.surroundings import environment
from lab import cgroups
from lab.fleet import ROOT, LabHost

BIN = Path(sys.executable).parent
LIMIT_S = 600
STAGES = "base,firewall,driver,engines,models,replicas,gateway"
FOLDER = "benchmarks/no_change"
_TICKS = os.sysconf("SC_CLK_TCK")


class Unfit(Exception):
    """A run did not do what is to be timed, so there is no figure to print."""


@dataclass(frozen=True)
class Way:
    """What is timed: its words, and a command line."""

    name: str
    argv: tuple[str, ...]


def _pyinfra(inventory: str, deploy: str, *more: str) -> tuple[str, ...]:
    return (str(BIN / "pyinfra"), "-y", "--json", f"{FOLDER}/{inventory}.py", deploy, *more)


CONNECT = Way("start and connect", _pyinfra("stock", "benchmarks/converge/deploy_nothing.py"))
DEPLOY = Way("everything", _pyinfra("fleet", "deploy.py", "--data", f"stages={STAGES}"))
VERIFIED = Way("everything, verified", _pyinfra("fleet", "deploy.py"))
IMPORT = Way("import pyinfra.api", (str(BIN / "python"), "-c", "import pyinfra.api"))
PLAN = Way(
    "rackwright plan inventories/prod.py",
    (str(BIN / "rackwright"), "plan", "--without-secrets", "inventories/prod.py"),
)


@dataclass(frozen=True)
class Cost:
    """Of one run: seconds by the clock, and of processors, here and of all hosts together."""

    seconds: float
    own_cpu_s: float
    hosts_cpu_s: float


def run(way: Way, hosts: Sequence[LabHost] = (), changes: bool = False) -> Cost:
    """Run it to its end. Raises Unfit where it failed, or changed a host and was not to."""
    there, here, began = sum(map(_sshd_s, hosts)), _children_s(), time.monotonic()
    done = subprocess.run(
        way.argv,
        cwd=ROOT,
        env=environment(NO_CHANGE_HOSTS=str(len(hosts))),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    seconds, own_s = time.monotonic() - began, _children_s() - here
    if done.returncode != 0:
        raise Unfit(f"{way.name}: exit code {done.returncode}: {done.stderr[-3000:]}")
    if hosts and not changes:
        operations = json.loads(done.stdout)["results"]["operations"]
        if changed := [one["name"] for one in operations if one["success"]]:
            raise Unfit(f"{way.name}: changed {', '.join(changed)}")
    return Cost(seconds, own_s, sum(map(_sshd_s, hosts)) - there)


def commands(way: Way, hosts: Sequence[LabHost]) -> int:
    """How many commands a run sends to each host, by sshd's log; the most, where hosts differ."""
    start = sessions.now()
    run(way, hosts)
    return sessions.count_since(hosts, start)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _sshd_s(host: LabHost) -> float:
    """Processor time of all that sshd ever started on a host, once its connections have ended."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        daemons = [fields for pid in cgroups.members(host.name) if (fields := _stat(pid))]
        if len(daemons) == 1:
            return sum(map(int, daemons[0][11:15])) / _TICKS
        time.sleep(0.02)
    raise Unfit(f"{host.name}: somebody else is connected")


def _stat(pid: int) -> list[str]:
    """The fields behind the name (proc(5), from the third on) of an sshd; none of others."""
    try:
        _, name, rest = Path(f"/proc/{pid}/stat").read_text().replace(")", "(").split("(")
    except (OSError, ValueError):
        return []
    return rest.split() if name == "sshd" else []
