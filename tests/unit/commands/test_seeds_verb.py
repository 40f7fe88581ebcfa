"""`rackwright seeds`, on servers of this machine."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from click.testing import CliRunner, Result

from rackwright.checks.results import CheckResult, Status
from rackwright.cli import main
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner.fleet import FleetRun
from tests.samples.fleet import lab_hosts


class Verb:
    """The lab's fleet; ``ill`` are the servers whose replica does not complete."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.path, self.ill, self.made = folder / "prod.py", set[str](), list[str]()
        self.path.write_text("")
        spec = load_fleet(lab_hosts())
        self.fleet = FleetRun(spec, plan(spec))
        # The module itself loads pyinfra's command line, which changes Python's sockets.
        patch.setitem(sys.modules, "rackwright.runner.inventory", Mock())
        module = import_module("rackwright.commands.seeds")
        patch.setattr(module, "fleet_of", lambda inventory: self.fleet)
        patch.setattr(module, "ask_all", self.ask_all)
        patch.setattr(module, "Rank", self.rank)
        patch.setattr(module, "make", self.make)
        patch.setattr(module, "listed", lambda host, settings: {"seeds": [], "replicas": {}})

    def ask_all(self, inventory: Any, question: Any, only: set[str]) -> dict[str, Any]:
        return {name: question(SimpleNamespace(name=name)) for name in sorted(only)}

    def rank(self, host: Any, replica: Any, *_: Any) -> Any:
        status = Status.CRITICAL if host.name in self.ill else Status.OK
        row = CheckResult("completion", host.name, replica.name, status, "500")
        return SimpleNamespace(replica=replica, observe=lambda load: ({}, [row]))

    def make(self, host: Any, replicas: Any, settings: Any, say: Any) -> None:
        self.made += [one.name for one in replicas]

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["seeds", str(self.path), *words])


@pytest.fixture
def verb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verb:
    return Verb(tmp_path, monkeypatch)


def test_it_shows_and_makes_nothing(verb: Verb) -> None:
    done = verb.run()
    assert done.exit_code == 0 and "gpu2    chat-gpu2-0  -     none yet" in done.stdout
    assert verb.made == []


def test_of_what_is_not_proven_none_is_made(verb: Verb) -> None:
    verb.ill = {"gpu2"}
    done = verb.run("--make")
    assert verb.made == ["chat-gpu1-0"]
    assert "chat-gpu2-0: is not proven, no seed is made: completion is CRITICAL: 500" in done.output
