"""The fleet of any inventory: its plan, and a connection to each of its hosts.

Both come from the pyinfra inventory alone. pyinfra runs in processes of its own: it changes
Python's sockets as it is imported, which pytest-xdist's workers do not survive.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tempfile
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host as Machine

from rackwright.errors import RackwrightError
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner.access import login_shell, secrets, sudo
from rackwright.runner.access.ssh_config import ssh_options
from rackwright.runner.fleet import FleetRun
from rackwright.runner.host_data import pyinfra_keys

Data = dict[str, Any]
SSH_FAILED = 255


@cache
def loaded(path: str) -> tuple[dict[str, Data], FleetRun]:
    """Data of each host, and the fleet that it declares."""
    try:
        hosts: dict[str, Data] = json.loads(told("rackwright.runner.inventory", path))
        spec = load_fleet(hosts, pyinfra_keys())
        return hosts, FleetRun(spec, plan(spec))
    except RackwrightError as error:
        raise pytest.UsageError(str(error)) from None


def told(module: str, *words: str) -> str:
    """What a module prints, run as a program; where that is nothing, its error is raised."""
    argv = [sys.executable, "-m", module, *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise pytest.UsageError(done.stderr.strip())
    return done.stdout


def connected(name: str, data: Data) -> Machine:
    """testinfra's view of a host, by the same SSH settings and sudo that a deploy takes."""
    if name == "@local":
        sudo = {"sudo": bool(data.get("_sudo")), "sudo_user": data.get("_sudo_user")}
        return testinfra.get_host("local://", **sudo)
    return Machine(OverSsh(name, data))


class OverSsh(BaseBackend):  # type: ignore[misc] # untyped
    """Commands over the system's ssh: one connection a host, kept for a minute."""

    NAME = "rackwright"

    def __init__(self, name: str, data: Data) -> None:
        super().__init__(name)
        self._data = data
        known = data.get("ssh_known_hosts_file")
        options = ["BatchMode=yes", "ControlMaster=auto", f"ControlPath={_sockets()}/%C"]
        options += ["ControlPersist=60", *([f"UserKnownHostsFile={known}"] if known else [])]
        self._ssh = ["ssh", *ssh_options(data), *(f"-o{option}" for option in options)]
        self._ssh += ["--", str(data.get("ssh_hostname") or name)]

    @cached_property
    def _way(self) -> sudo.Way:
        given = self._data.get("_sudo_password")
        return sudo.find_way(self._refusal, lambda: secrets.sudo_password(given))

    def _refusal(self, way: sudo.Way) -> str:
        done = self._run(sudo.line(sudo.DOES_NOTHING, way, self._data), way.standard_input)
        return "" if done.returncode == 0 else done.stderr.decode() or "no words"

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        command = self.get_command(command, *args)
        line, given = f"sh -c {shlex.quote(command)}", b""
        if self._data.get("_sudo"):
            line, given = sudo.line(line, self._way, self._data), self._way.standard_input
        done = self._run(line, given)
        return self.result(done.returncode, command.encode(), done.stdout, done.stderr)

    def _run(self, line: str, given: bytes) -> subprocess.CompletedProcess[bytes]:
        argv = [*self._ssh, login_shell.line(line)]
        done = subprocess.run(argv, input=given, capture_output=True)
        if done.returncode == SSH_FAILED:
            raise RuntimeError(done.stderr.decode())
        done.stdout, done.stderr = map(login_shell.without_banner, (done.stdout, done.stderr))
        return done


@cache
def _sockets() -> Path:
    """A short path: that of a socket has a limit."""
    return Path(tempfile.mkdtemp(prefix="rw-"))
