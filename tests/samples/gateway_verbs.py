"""The verbs keys, usage and gateway on gateways of this machine: only SSH is left out.

What would travel to a host is run here, against the socket that stands for that host's.
"""

from __future__ import annotations

import grp
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import Mock

import pytest
from click.testing import CliRunner, Result

from rackwright.cli import main
from rackwright.clients import Clients
from rackwright.clients.keys_file import read_clients
from rackwright.desired.gateway_keys import keys_file
from rackwright.errors import HostError
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.remote import gateway_keys, gateway_state
from rackwright.remote.items import files
from rackwright.runner.fleet import FleetRun
from tests.samples.fleet import lab_hosts


class Door(NamedTuple):
    """Where a gateway of this machine listens, and has its clients' keys."""

    socket: Path
    keys: Path


@dataclass
class Verbs:
    """An inventory (the lab's servers) and its gateways, ``doors``; ``silent`` ones say nothing."""

    inventory: Path
    doors: Mapping[str, Door]
    silent: dict[str, str] = field(default_factory=dict)

    def run(self, verb: str, *words: str) -> Result:
        """A verb, as an operator runs it."""
        return CliRunner().invoke(main, [verb, str(self.inventory), *words])

    @property
    def file(self) -> Path:
        """Where the clients are."""
        return self.inventory.with_suffix(".keys.yaml")

    @property
    def clients(self) -> Clients:
        """Those of the file."""
        return read_clients(self.file)

    def known(self, name: str) -> set[str]:
        """Clients that lie on a gateway."""
        document = json.loads(self.doors[name].keys.read_text())
        return {entry["client"] for entry in document["keys"]}

    def reach(self, inventory: Any, name: str) -> Any:
        """As the runner's, to a gateway."""
        if name in self.silent:
            raise HostError(f"{name}: {self.silent[name]}")
        return SimpleNamespace(name=name)

    def ask_all(
        self, inventory: Any, question: Callable[[Any], Any], only: Iterable[str]
    ) -> dict[str, Any]:
        """As the runner's, one after another."""
        answers: dict[str, Any] = {}
        for name in only:
            try:
                if name in self.silent:
                    raise HostError(self.silent[name])
                answers[name] = question(SimpleNamespace(name=name))
            except (HostError, ValueError) as error:
                answers[name] = {"error": str(error)}
        return answers


def verbs_here(monkeypatch: pytest.MonkeyPatch, folder: Path, doors: Mapping[str, Door]) -> Verbs:
    """The verbs, asking ``doors`` instead of hosts until the test ends."""
    (folder / "prod.py").write_text("")
    here = Verbs(folder / "prod.py", doors)
    run = _fleet(doors)
    # The module itself loads pyinfra's command line, which changes Python's sockets.
    monkeypatch.setitem(sys.modules, "rackwright.runner.inventory", Mock())
    asking = ("usage", "gateway", "drain", "undrain", "restart", "reboot")
    usage, *others = (import_module(f"rackwright.commands.{verb}") for verb in asking)
    names = ("gateway_state", "gateway_keys", "key_changes", "gateway_leases")
    state, keys, changes, leases = (import_module(f"rackwright.runner.{name}") for name in names)
    for module in (usage, *others, changes):
        monkeypatch.setattr(module, "fleet_of", lambda inventory: run)
    monkeypatch.setattr(leases, "reach", here.reach)
    for module in others[1:]:
        monkeypatch.setattr(module, "connections", lambda inventory: nullcontext())
    for module in (usage, state, keys):
        monkeypatch.setattr(module, "ask_all", here.ask_all)
    for module in (state, keys):
        monkeypatch.setattr(module, "call", _calling(doors, monkeypatch))
    monkeypatch.setattr(keys, "keys_file", lambda clients: replace(keys_file(clients), key="/k"))
    monkeypatch.setattr(files, "_ids", lambda change: _ids())
    monkeypatch.setattr(gateway_keys, "LOCK", folder / "lock")
    return here


def _fleet(doors: Iterable[str]) -> FleetRun:
    hosts = lab_hosts()
    gateway = hosts.pop("gw1")
    spec = load_fleet({**hosts, **dict.fromkeys(doors, gateway)})
    return FleetRun(spec, plan(spec))


def _calling(doors: Mapping[str, Door], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    def call(host: Any, script: str, request: dict[str, Any], **_: Any) -> Any:
        door = doors[host.name]
        monkeypatch.setattr(gateway_state, "SOCKET", str(door.socket))
        if "item" in request:
            request = {**request, "item": {**request["item"], "key": str(door.keys)}}
        return import_module(f"rackwright.remote.{script}").main(json.loads(json.dumps(request)))

    return call


def _ids() -> tuple[int, int]:
    """Root may give the file to Nginx's group, as on a host."""
    group = grp.getgrnam("www-data").gr_gid if os.getuid() == 0 else os.getgid()
    return os.getuid(), group
