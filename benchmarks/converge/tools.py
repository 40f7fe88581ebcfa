"""The tools that have the desired state made, and one run of one of them with its results read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.converge.fleet import COUNT, SSH
from benchmarks.gateway.environments import programs
from benchmarks.surroundings import environment
from lab.fleet import ROOT

HERE = "benchmarks/converge"
LOCK = ROOT / HERE / "ansible-core-2.19.14.txt"
STAGES = "base,firewall,driver,engines,models,replicas,gateway"
LIMIT_S = 3600
RECAP = re.compile(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.M)


class Unfit(Exception):
    """A run did not do what is to be timed, so there is no figure to print."""


@dataclass(frozen=True)
class Place:
    """Where a run goes: these hosts, by the ssh_config in ``ssh``; what they must have."""

    hosts: tuple[str, ...]
    ssh: Path
    state: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the inventories and deploys here read."""
        told = {COUNT: str(len(self.hosts)), SSH: str(self.ssh), "CONVERGE_STATE": str(self.state)}
        return environment(**told)


@dataclass(frozen=True)
class Run:
    """A run that reported success on every host: its wall-clock time, and who changed."""

    seconds: float
    changed: frozenset[str]


@dataclass(frozen=True)
class Tool:
    """A way to the state. ``words`` say it in tables."""

    name: str
    words: str
    run: Callable[[Place], Run]
    makes: bool = True
    """Whether it makes the state: one that does nothing is the floor of all."""


def _pyinfra(inventory: str, deploy: str, *more: str) -> Callable[[Place], Run]:
    argv = [sys.executable, "-m", "pyinfra", "-y", "--json", f"{HERE}/{inventory}.py", deploy]

    def run(place: Place) -> Run:
        seconds, said = _timed([*argv, *more], place.environment)
        return Run(seconds, changed_by_pyinfra(place.hosts, json.loads(said)["results"]))

    return run


def changed_by_pyinfra(hosts: Sequence[str], results: Mapping[str, Any]) -> frozenset[str]:
    """The hosts that an operation changed. Raises Unfit unless each host had its operations."""
    operations, failed = results["operations"], results["failed_hosts"]
    errors = [one["name"] for one in operations if one.get("error")]
    told = {host for one in operations for host in (*one["success"], *one["no_change"])}
    if failed or errors or (operations and told != set(hosts)):
        raise Unfit(f"failed on {failed}: {errors}; told of {sorted(told)}")
    return frozenset(host for one in operations for host in one["success"])


def _ansible(mitogen: bool) -> Callable[[Place], Run]:
    def run(place: Place) -> Run:
        bin_ = programs(LOCK)
        with _sockets() as sockets:
            own = _settings(bin_, place, sockets, mitogen)
            argv = [str(bin_ / "ansible-playbook"), "-i", str(_inventory(place))]
            seconds, said = _timed([*argv, f"{HERE}/playbook.yaml"], environment(**own))
        return Run(seconds, changed_by_ansible(place.hosts, said))

    return run


def changed_by_ansible(hosts: Sequence[str], said: str) -> frozenset[str]:
    """The hosts that a task changed, by the recap. Raises Unfit unless all is well on each."""
    recap = {name: tuple(map(int, counts)) for name, *counts in RECAP.findall(said)}
    if recap.keys() != set(hosts) or any(sum(counts[1:]) for counts in recap.values()):
        raise Unfit(f"not well on every host: {recap}: {said[-2000:]}")
    return frozenset(name for name, counts in recap.items() if counts[0])


def _settings(bin_: Path, place: Place, sockets: str, mitogen: bool) -> dict[str, str]:
    """As fast as its documentation says: pipelining, all hosts at once, one connection a host."""
    told = {
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_FORKS": str(max(5, len(place.hosts))),
        "ANSIBLE_SSH_ARGS": f"-F {place.ssh / 'ssh_config'} -o ControlMaster=auto "
        "-o ControlPersist=60s",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets,
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
    }
    if mitogen:
        (site,) = bin_.parent.glob("lib/*/site-packages")
        told["ANSIBLE_STRATEGY"] = "mitogen_linear"
        told["ANSIBLE_STRATEGY_PLUGINS"] = str(site / "ansible_mitogen/plugins/strategy")
    return told


def _inventory(place: Place) -> Path:
    hosts = {name: json.loads((place.state / f"{name}.json").read_text()) for name in place.hosts}
    path = place.state / f"ansible-{len(place.hosts)}.yaml"
    path.write_text(json.dumps({"all": {"hosts": hosts}}))
    return path


@contextmanager
def _sockets() -> Iterator[str]:
    """A folder for the control sockets of one run: the next connects anew, as others do."""
    with tempfile.TemporaryDirectory(prefix="cv-") as folder:
        try:
            yield folder
        finally:
            for socket in Path(folder).iterdir():
                argv = ["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "any"]
                subprocess.run(argv, capture_output=True)


def _timed(argv: Sequence[str], environment: Mapping[str, str]) -> tuple[float, str]:
    """Seconds of a whole process, and what it said. Raises Unfit if it fails."""
    started = time.monotonic()
    try:
        done = subprocess.run(
            argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT_S
        )
    except subprocess.TimeoutExpired:
        raise Unfit(f"{argv[0]}: no end after {LIMIT_S} s") from None
    seconds = time.monotonic() - started
    if done.returncode != 0:
        raise Unfit(f"exit code {done.returncode}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return seconds, done.stdout


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("pyinfra", "plain pyinfra", _pyinfra("hosts_stock", f"{HERE}/deploy_plain.py")),
        Tool(
            "rackwright",
            "this project",
            _pyinfra("hosts_rackwright", "deploy.py", "--data", f"stages={STAGES}"),
        ),
        Tool("ansible", "Ansible, pipelining", _ansible(mitogen=False)),
        Tool("mitogen", "Ansible, Mitogen", _ansible(mitogen=True)),
        Tool(
            "connect",
            "start and connect",
            _pyinfra("hosts_stock", f"{HERE}/deploy_nothing.py"),
            makes=False,
        ),
    )
}
FLOOR, OURS = TOOLS["connect"], TOOLS["rackwright"]


def expect(tool: Tool, place: Place, *, change: bool) -> Run:
    """A run that changed every host, or none. Raises Unfit when it did anything else."""
    try:
        finished = tool.run(place)
    except Unfit as error:
        raise Unfit(f"{tool.words}: {error}") from None
    wanted = set(place.hosts) if change else set()
    if finished.changed != wanted:
        told = ", ".join(sorted(finished.changed)) or "none"
        raise Unfit(f"{tool.words} changed {told}, not {', '.join(sorted(wanted)) or 'none'}")
    return finished
