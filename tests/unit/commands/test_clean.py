"""`rackwright clean`, run as an operator runs it; hosts are stood in for by their answers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from click.testing import CliRunner, Result

from rackwright.cli import main
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner import cleaning
from rackwright.runner.fleet import FleetRun
from tests.samples.fleet import lab_hosts

OLD = {"kind": "release", "path": "/opt/rackwright/vllm/0.31.0-0123456789ab", "bytes": 5 << 30}
MODEL = {"kind": "weights", "path": f"/var/lib/rackwright/models/a--b/{'1' * 40}", "bytes": 3 << 29}
KEPT = {"path": "/opt/rackwright/vllm/0.32.0-ba9876543210", "why": "the plan names it"}


@dataclass
class Hosts:
    """The lab's, with what each says; ``asked`` is what each was asked to do."""

    folder: Path
    unneeded: dict[str, list[dict[str, Any]]]
    silent: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, Any]] = field(default_factory=list)

    def clean(self, *words: str, **more: Any) -> Result:
        path = self.folder / "prod.py"
        path.write_text("")
        return CliRunner().invoke(main, ["clean", str(path), *words], **more)

    def ask_all(
        self,
        inventory: Any,
        question: Callable[[Any], Any],
        said: Callable[[str, Any], None] = lambda name, answer: None,
        only: Collection[str] | None = None,
    ) -> dict[str, Any]:
        answers = {}
        for name in ("gw1", "gpu2", "gpu1"):
            if only is None or name in only:
                silent = {"error": self.silent[name]} if name in self.silent else None
                answers[name] = silent or question(SimpleNamespace(name=name))
                said(name, answers[name])
        return answers

    def call(self, host: Any, script: str, request: dict[str, Any], **_: Any) -> dict[str, Any]:
        assert script == "cleaning"
        self.asked.append((host.name, request["do"], request.get("paths")))
        if request["do"] == "look":
            return {"unneeded": self.unneeded.get(host.name, []), "kept": [KEPT]}
        return {"removed": request["paths"], "freed": 1 << 30}


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    found = Hosts(tmp_path, {"gpu1": [OLD, MODEL], "gpu2": [MODEL]})
    spec = load_fleet(lab_hosts())
    fleet = FleetRun(spec, plan(spec))
    # The module itself loads pyinfra's command line, which changes Python's sockets.
    monkeypatch.setitem(sys.modules, "rackwright.runner.inventory", Mock())
    command = import_module("rackwright.commands.clean")
    monkeypatch.setattr(command, "fleet_of", lambda inventory: fleet)
    monkeypatch.setattr(cleaning, "ask_all", found.ask_all)
    monkeypatch.setattr(cleaning, "call", found.call)
    return found


def test_it_lists_what_and_how_much_and_removes_nothing_by_itself(hosts: Hosts) -> None:
    done = hosts.clean()
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[1:4] == [
        ["gpu1", "release", "5.0", OLD["path"]],
        ["gpu1", "weights", "1.5", MODEL["path"]],
        ["gpu2", "weights", "1.5", MODEL["path"]],
    ]
    assert "3 on 2 host(s), 8.0 GiB" in done.stdout and "--yes removes these" in done.stderr
    assert {do for _, do, _ in hosts.asked} == {"look"}


def test_with_yes_each_host_removes_its_own(hosts: Hosts) -> None:
    done = hosts.clean("--yes")
    assert done.exit_code == 0, done.output
    assert [one for one in hosts.asked if one[1] == "remove"] == [
        ("gpu2", "remove", [MODEL["path"]]),
        ("gpu1", "remove", [OLD["path"], MODEL["path"]]),
    ]
    assert "gpu1: removed 2, 1.0 GiB free again" in done.stdout


@pytest.mark.parametrize(("answer", "removes"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_at_a_terminal_it_asks(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch, answer: str, removes: bool
) -> None:
    command = import_module("rackwright.commands.clean")
    terminal = SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(command, "sys", terminal)
    done = hosts.clean(input=answer)
    assert "Remove these?" in done.stderr
    assert any(do == "remove" for _, do, _ in hosts.asked) is removes


def test_of_one_host_alone(hosts: Hosts) -> None:
    assert hosts.clean("gpu2", "--yes").exit_code == 0
    assert {name for name, _, _ in hosts.asked} == {"gpu2"}
    unknown = hosts.clean("gpu3")
    assert unknown.exit_code == 67 and "'gpu3' is not known" in unknown.output


def test_what_stays_is_shown_with_its_reason(hosts: Hosts) -> None:
    assert f"{KEPT['path']}  {KEPT['why']}" in hosts.clean("--kept").stdout


def test_a_silent_host_is_said_and_the_others_are_done(hosts: Hosts) -> None:
    hosts.silent["gpu1"] = "gpu1: no route to host"
    done = hosts.clean("--yes")
    assert done.exit_code == 69 and "no route to host" in done.output
    assert ("gpu2", "remove", [MODEL["path"]]) in hosts.asked


def test_where_nothing_is_unneeded_nobody_is_asked(hosts: Hosts) -> None:
    hosts.unneeded = {}
    done = hosts.clean("--yes")
    assert (done.exit_code, done.stdout) == (0, "nothing that is not needed\n")
