"""The fleet of any inventory: its plan, and a connection to each of its hosts.

Both come from the pyinfra inventory alone. pyinfra runs in processes of its own: it changes
Python's sockets as it is imported, which pytest-xdist's workers do not survive.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest
import testinfra
from testinfra.host import Host as Machine

from rackwright.errors import RackwrightError
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner.fleet import FleetRun
from rackwright.runner.host_data import pyinfra_keys

Data = dict[str, Any]


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
    """testinfra's view of a host, by the same SSH settings that pyinfra takes from its data."""
    sudo = {"sudo": bool(data.get("_sudo")), "sudo_user": data.get("_sudo_user")}
    if name == "@local":
        return testinfra.get_host("local://", **sudo)
    user, port = data.get("ssh_user"), data.get("ssh_port")
    spec = f"{user}@" if user else ""
    spec += str(data.get("ssh_hostname") or name) + (f":{port}" if port else "")
    options = ["-o BatchMode=yes"]
    if known := data.get("ssh_known_hosts_file"):
        options.append(f"-o UserKnownHostsFile={known}")
    return testinfra.get_host(
        f"ssh://{spec}",
        ssh_config=data.get("ssh_config_file"),
        ssh_identity_file=data.get("ssh_key"),
        ssh_extra_args=" ".join(options),
        **sudo,
    )
