"""In which order the benchmark has hosts made, broken and timed: by tools that are stood in for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.converge import measuring
from benchmarks.converge.measuring import Measuring
from benchmarks.converge.rows import FIRST, NO_CHANGE
from benchmarks.converge.tools import Place, Run, Tool, Unfit
from lab.fleet import RACK, LabHost


class Rack:
    """Hosts that are bare, as a tool left them, or drifted; ``told`` is all that was done."""

    def __init__(self) -> None:
        self.state, self.told = "bare", list[str]()
        self.leaves: dict[str, str] = {}

    def tool(self, name: str, makes: bool = True) -> Tool:
        """One that makes the state ``made``, or what ``leaves`` says."""

        def run(place: Place) -> Run:
            left = self.leaves.get(name, "made") if makes else self.state
            changed = frozenset(place.hosts if left != self.state else ())
            self.state = left
            self.told.append(f"{name} {'changes' if changed else 'finds nothing'}")
            return Run(float(len(self.told)), changed)

        return Tool(name, name, run, makes)

    @contextmanager
    def bare(self, count: int, added_ms: float) -> Iterator[tuple[Sequence[LabHost], Place]]:
        self.state = "bare"
        self.told.append(f"{count} bare at {added_ms} ms")
        hosts = RACK[:count]
        yield hosts, Place(tuple(host.name for host in hosts), Path(), Path())

    def fingerprints(self, hosts: Sequence[LabHost]) -> dict[str, Any]:
        parts: dict[str, Any] = {"packages": [], "units": {}, "firewall": [], "listening": []}
        return {host.name: {**parts, "tree": {"/etc/state": self.state}} for host in hosts}

    def on(self, host: LabHost, command: str) -> str:
        assert command == measuring.DRIFT
        self.state = "drifted"
        return ""


@pytest.fixture
def rack(monkeypatch: pytest.MonkeyPatch) -> Rack:
    rack = Rack()
    monkeypatch.setattr(measuring, "bare", rack.bare)
    monkeypatch.setattr(measuring, "fingerprints", rack.fingerprints)
    monkeypatch.setattr(measuring.sessions, "on", rack.on)
    monkeypatch.setattr(measuring.sessions, "count_since", lambda hosts, start: 3)
    return rack


def test_each_tool_begins_on_bare_hosts_mends_what_drifted_and_takes_its_turn(
    rack: Rack, tmp_path: Path
) -> None:
    names = ("rackwright", "pyinfra")
    tools = [rack.tool(name) for name in names] + [rack.tool("connect", makes=False)]
    path = tmp_path / "rows.json"
    measured = Measuring(tools, path)
    measured.group(2, 50, first=2, repeat=3)
    settled = ("finds nothing", "changes", "finds nothing")
    firsts = [words for name in names for words in ("2 bare at 50 ms", f"{name} changes")]
    turn = [f"{tool.name} finds nothing" for tool in tools]
    assert rack.told == [
        *(2 * firsts),
        *(f"{name} {words}" for name in names for words in settled),
        *(4 * turn),  # the first of them untimed
    ]
    kept = [(row["run"], row["tool"], len(row["seconds"])) for row in _rows(path)]
    assert kept == [
        *((FIRST, name, 2) for name in names),
        *((NO_CHANGE, tool.name, 3) for tool in tools),
    ]
    assert {row["sessions"] for row in _rows(path) if row["run"] == NO_CHANGE} == {3}
    assert measured.missed == []


def test_without_first_runs_one_tool_makes_the_hosts_for_all(rack: Rack, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    Measuring([rack.tool("pyinfra"), rack.tool("rackwright")], path).group(1, 0, 0, 1)
    assert rack.told[:2] == ["1 bare at 0 ms", "pyinfra changes"]
    assert rack.told.count("1 bare at 0 ms") == 1
    assert {row["run"] for row in _rows(path)} == {NO_CHANGE}


def test_a_tool_that_makes_another_state_ends_the_benchmark_before_its_figure(
    rack: Rack, tmp_path: Path
) -> None:
    rack.leaves["pyinfra"] = "made otherwise"
    measured = Measuring([rack.tool("rackwright"), rack.tool("pyinfra")], tmp_path / "rows.json")
    with pytest.raises(
        Unfit, match=r"pyinfra made another state.*\n.*/etc/state: made and made other"
    ):
        measured.group(1, 0, 1, 1)
    assert not (tmp_path / "rows.json").exists()


def _rows(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text())["rows"]
    return rows
