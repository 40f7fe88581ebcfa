"""quarantine and return, run as an operator runs them, on a server of this machine."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import dataclass, field
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
from rackwright.remote import quarantine as remote
from rackwright.runner.fleet import FleetRun
from rackwright.runner.returning import Proof, Terms
from tests.samples.fleet import lab_hosts

WELL = CheckResult("GPUs", "gpu1", "gpu1", Status.OK, "2 x H200")
ILL = CheckResult("matrix products", "gpu1", "gpu1", Status.CRITICAL, "3 differ", "replace it")


@dataclass
class Verbs:
    """An inventory (the lab's) whose servers keep their quarantine in ``folder``."""

    folder: Path
    proof: Proof = field(default_factory=Proof)
    terms: list[Terms] = field(default_factory=list)

    def run(self, verb: str, *words: str) -> Result:
        path = self.folder / "prod.py"
        path.write_text("")
        return CliRunner().invoke(main, [verb, str(path), *words])

    def call(self, host: Any, script: str, request: dict[str, Any], **_: Any) -> Any:
        """What would travel to a server is run here."""
        assert (host.name, script) == ("gpu1", "quarantine")
        return remote.main({**request, "folder": str(self.folder / "watchdog")})

    def returning(self, fleet: Any, hosts: Any, server: str, terms: Terms, say: Any) -> Any:
        self.terms.append(terms)
        return SimpleNamespace(run=lambda: self.proof)


@pytest.fixture
def verbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verbs:
    here = Verbs(tmp_path)
    (tmp_path / "watchdog").mkdir()
    spec = load_fleet(lab_hosts())
    fleet = FleetRun(spec, plan(spec))
    # The module itself loads pyinfra's command line, which changes Python's sockets.
    monkeypatch.setitem(sys.modules, "rackwright.runner.inventory", Mock())
    begin = import_module("rackwright.commands.quarantine")
    back = import_module("rackwright.commands.return_")
    monkeypatch.setattr(begin, "fleet_of", lambda inventory: fleet)
    monkeypatch.setattr(begin, "connections", lambda inventory: nullcontext())
    monkeypatch.setattr(begin, "reach", lambda inventory, name: SimpleNamespace(name=name))
    monkeypatch.setattr(import_module("rackwright.runner.quarantine"), "call", here.call)
    monkeypatch.setattr(back, "fleet_with_secrets", lambda inventory: fleet)
    monkeypatch.setattr(back, "Returning", here.returning)
    return here


def test_a_server_is_in_quarantine_by_hand_and_the_first_reason_stays(verbs: Verbs) -> None:
    done = verbs.run("quarantine", "gpu1", "--why", "a fan is loud")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("gpu1 is in quarantine since")
    assert "by hand: a fan is loud" in done.stdout
    again = verbs.run("quarantine", "gpu1", "--why", "another")
    assert again.stdout.startswith("gpu1 is already in quarantine") and "loud" in again.stdout


def test_a_server_whose_watchdog_was_never_deployed_says_so(verbs: Verbs) -> None:
    (verbs.folder / "watchdog").rmdir()
    done = verbs.run("quarantine", "gpu1", "--why", "x")
    assert done.exit_code == 69 and "the watchdog was never deployed" in done.stderr


@pytest.mark.parametrize("name", ["gpu11", "gw1"])
def test_what_is_no_server_is_refused(verbs: Verbs, name: str) -> None:
    done = verbs.run("quarantine", name, "--why", "x")
    assert done.exit_code == 67 and "is not known" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("quarantine", "gpu1"),
        ("quarantine", "gpu1", "--why", " "),
        ("quarantine", "gpu1", "--why", "a\nb"),
        ("quarantine", "gpu1", "--why", "é" * 101),
        ("return", "gpu1", "--skip-burn-in"),
        ("return", "gpu1", "--why", "x"),
        ("return", "gpu1", "--minutes", "0"),
        ("return", "gpu1", "--minutes", "nan"),
        ("return",),
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_told(verbs: Verbs, words: tuple[str, ...]) -> None:
    done = verbs.run(*words)
    assert done.exit_code == 64, done.output
    assert verbs.terms == []


def test_a_server_that_is_proven_is_out_of_quarantine(verbs: Verbs) -> None:
    verbs.proof = Proof([WELL], ended=True, words="1 checks after a burn-in of 2 minutes")
    done = verbs.run("return", "gpu1", "--minutes", "2")
    assert done.exit_code == 0, done.output
    assert "2 x H200" in done.stdout
    assert "gpu1 is out of quarantine: 1 checks after a burn-in of 2 minutes" in done.stdout
    assert verbs.terms == [Terms(2.0, None)]


def test_a_server_that_is_not_stays_and_the_exit_code_is_that_of_its_worst_check(
    verbs: Verbs,
) -> None:
    verbs.proof = Proof([WELL, ILL], words="matrix products is CRITICAL: 3 differ")
    done = verbs.run("return", "gpu1", "--skip-burn-in", "--why", "no time")
    assert done.exit_code == 2 and "replace it" in done.stdout
    assert "gpu1 stays in quarantine: matrix products is CRITICAL: 3 differ" in done.stderr
    assert verbs.terms == [Terms(5.0, "no time")]
