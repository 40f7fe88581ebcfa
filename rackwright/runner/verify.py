"""Verification: observe every host, then judge the whole fleet in one place."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Collection, Generator
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pyinfra.api.command import FunctionCommand
from pyinfra.api.operation import operation
from pyinfra.context import host, state

from rackwright.checks.results import CheckResult, Status
from rackwright.errors import HostError
from rackwright.exits import tell
from rackwright.report import plan_document, results_text
from rackwright.runner.fleet import FleetRun, StageFailure, this_fleet
from rackwright.runner.judging import judged
from rackwright.runner.observing import observe
from rackwright.runner.operations import refuse


@operation()
def observe_serving() -> Generator[FunctionCommand]:
    """Ask the host's replicas and gateway, and keep what they answer. Changes nothing."""
    if not state.is_executing:
        return
    fleet = this_fleet()
    try:
        seen = observe(fleet)
    except HostError as error:
        seen = {"error": str(error)}
    commands = getattr(host.connector, "commands_sent", None)
    fleet.observations[host.name] = {**seen, "ssh_commands": commands}
    yield from ()


@operation()
def judge() -> Generator[FunctionCommand]:
    """Judge every host that was asked; then each fails that has a row neither OK nor WARN.

    UNKNOWN fails too: what was not proven is not healthy. All hosts are judged together, unless
    pyinfra takes them one after another (--serial, --no-wait): then each adds to the table.
    """
    if not state.is_executing:
        return
    fleet = this_fleet()
    ready = _hosts_to_judge(fleet)
    if ready != fleet.judged:
        fleet.judged = ready
        fleet.results = judged(fleet, ready, _observed(fleet, ready))
        saved = _saved(fleet, fleet.results)
        tell(f"\n{_table(fleet.results)}\n\nReport: {saved}\n", err=True)
    bad = [r for r in fleet.results if r.host == host.name and r.counts_as > Status.WARN]
    if bad:
        yield refuse("; ".join(f"{r.status}: {r.subject} {r.check}" for r in bad))


def _table(results: list[CheckResult]) -> str:
    return results_text(results, colour=sys.stderr.isatty() and "NO_COLOR" not in os.environ)


def _hosts_to_judge(fleet: FleetRun) -> frozenset[str]:
    """Hosts of this run (see --limit) that were asked, or that failed before they could be."""
    of_this_run = {one.name for one in state.inventory if state.is_host_in_limit(one)}
    still_to_ask = {one.name for one in state.active_hosts} - set(fleet.observations)
    return frozenset(of_this_run - still_to_ask)


def _observed(fleet: FleetRun, names: Collection[str]) -> dict[str, dict[str, Any]]:
    """What was observed; of a host that did not come so far, what it failed on."""
    reached = {one.name for one in state.activated_hosts}
    absent = {name: _failed(fleet, name) for name in names if name in reached}
    return {**absent, **fleet.observations}


def _failed(fleet: FleetRun, name: str) -> dict[str, Any]:
    known = fleet.failed.get(name, StageFailure("a stage of this run", "failed", ""))
    return {"failed": known._asdict()}


def _saved(fleet: FleetRun, results: list[CheckResult]) -> str:
    """Where the report is; why there is none, which is no reason to lose the table over."""
    try:
        return str(_save(fleet, results))
    except (OSError, ValueError) as error:  # ValueError: a name that no folder can have
        return f"none, {error}"


def _save(fleet: FleetRun, results: list[CheckResult]) -> Path:
    """Write the JSON report: results, plan and what was observed."""
    folder = Path(fleet.settings(host.name).report_dir)
    folder.mkdir(parents=True, exist_ok=True)
    commands = {name: seen.get("ssh_commands") for name, seen in fleet.observations.items()}
    report = {
        "schema": 1,
        "time_unix_s": round(time.time()),
        "results": [asdict(result) for result in results],
        "ssh_commands": commands,
        "plan": plan_document(fleet.plan),
        "observations": fleet.observations,
    }
    path = written_anew(folder, json.dumps(report, indent=1, default=str) + "\n")
    _link_latest(path)
    return path


def written_anew(folder: Path, text: str) -> Path:
    """A new file with this text, named by the time; runs that end in one second have one each."""
    stem, number = time.strftime("%Y%m%dT%H%M%S"), 1
    path = folder / f"{stem}.json"
    while not _is_created(path, text):
        number += 1
        path = folder / f"{stem}-{number}.json"
    return path


def _is_created(path: Path, text: str) -> bool:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    return True


def _link_latest(report: Path) -> None:
    """``latest.json`` beside it leads to this report; by a rename, as another run may do the same.

    So it is never absent, and of two runs at once the later one has it.
    """
    with TemporaryDirectory(dir=report.parent) as folder:
        fresh = Path(folder, "latest.json")
        fresh.symlink_to(report.name)
        fresh.replace(report.parent / "latest.json")
