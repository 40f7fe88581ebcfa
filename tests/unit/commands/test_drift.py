"""drift and diff as an operator runs them: what is printed, and how they end."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner, Result

from rackwright.cli import main
from rackwright.drift import kinds
from rackwright.drift.kinds import Drift
from rackwright.drift.question import question
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner.drifts import Found
from rackwright.runner.fleet import FleetRun
from tests.samples.drift import NONCE, as_planned, planned
from tests.samples.fleet import lab_hosts

MODE = Drift("gpu1", kinds.MODE, "/etc/a", "0777", "0644")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Found:
    """What looking at the hosts found; a test says."""
    found = Found()
    spec = load_fleet(lab_hosts())
    # The module itself loads pyinfra's command line, which changes Python's sockets.
    monkeypatch.setitem(sys.modules, "rackwright.runner.inventory", Mock())
    for name in ("drift", "diff"):
        verb = import_module(f"rackwright.commands.{name}")
        monkeypatch.setattr(verb, "load_inventory", lambda path: None)
        monkeypatch.setattr(verb, "fleet_with_lock", lambda one: FleetRun(spec, plan(spec)))
        monkeypatch.setattr(verb, "look", lambda *words: found)
    return found


def run(tmp_path: Path, *words: str) -> Result:
    inventory = tmp_path / "lab.py"
    inventory.touch()
    verb, *rest = words
    return CliRunner().invoke(main, [verb, str(inventory), *rest])


@pytest.mark.parametrize(
    ("drifts", "silent", "code"),
    [
        ([], {}, 0),
        ([MODE], {}, 1),
        ([], {"gpu2": "timed out"}, 3),
        ([MODE], {"gpu2": "timed out"}, 3),
    ],
)
def test_the_exit_code_says_what_is_known(
    tmp_path: Path, found: Found, drifts: list[Drift], silent: dict[str, str], code: int
) -> None:
    found.drifts, found.silent = drifts, silent
    assert run(tmp_path, "drift").exit_code == code
    said = run(tmp_path, "drift", "--json")
    assert said.exit_code == code
    document = json.loads(said.stdout)
    assert len(document["drifts"]) == len(drifts) and document["unanswered"] == silent


def test_a_host_that_is_not_there_is_refused(tmp_path: Path, found: Found) -> None:
    for words in (("drift", "gpu9"), ("diff", "gpu1", "gpu9")):
        said = run(tmp_path, *words)
        assert said.exit_code == 67
        assert "'gpu9' is not a known host" in said.stderr


def test_two_hosts(tmp_path: Path, found: Found) -> None:
    for name in ("gpu1", "gw1"):
        found.questions[name] = question(planned(name), NONCE)
        found.answers[name] = as_planned(found.questions[name])
    said = run(tmp_path, "diff", "gpu1", "gw1")
    assert said.exit_code == 1 and "nginx.service" in said.stdout
    same = run(tmp_path, "diff", "gpu1", "gpu1")
    assert same.exit_code == 0 and "are equal" in same.stdout


def test_two_hosts_of_which_one_says_nothing(tmp_path: Path, found: Found) -> None:
    found.silent = {"gw1": "timed out"}
    said = run(tmp_path, "diff", "gpu1", "gw1")
    assert said.exit_code == 69 and "gw1: timed out" in said.stderr
