"""`rackwright lock`, with records instead of the outside."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from click.testing import CliRunner, Result

from rackwright.cli import main
from rackwright.inventory.reading import load_fleet
from rackwright.locking.resolving import Resolved
from rackwright.planning.placing import plan
from tests.samples.fleet import hosts, service
from tests.samples.locks import outside
from tests.samples.outside import deb

Asked = Callable[..., Result]
CHANGED = {"services": {"chat": service(revision="f" * 40)}}
"""Another revision of the model."""


@pytest.fixture(autouse=True)
def no_inventory_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads them patches all that waits, for the whole process."""
    monkeypatch.setitem(sys.modules, "rackwright.runner.inventory", Mock())


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.py"
    path.touch()
    return path


@pytest.fixture
def asked(inventory: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """The verb on the sample fleet with these changes, and an outside with these differences."""

    def run(*words: str, fleet: dict[str, Any] | None = None, **recorded: Any) -> Result:
        from rackwright.commands import lock as verb

        spec = load_fleet(hosts(**{"driver_source": "none", **(fleet or {})}))
        found = SimpleNamespace(spec=spec, plan=plan(spec))
        records = outside(**{"drivers": {}, **recorded})
        monkeypatch.setattr(verb, "load_inventory", lambda path: path)
        monkeypatch.setattr(verb, "fleet_of", lambda _: found)
        monkeypatch.setattr(verb, "Network", lambda *_: records)
        return CliRunner().invoke(main, ["lock", str(inventory), *words])

    return run


def written(inventory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(inventory.with_name("fleet.lock.json").read_text())
    return found


def test_a_lock_is_written_beside_the_inventory(asked: Asked, inventory: Path) -> None:
    first = asked()
    assert first.exit_code == 0, first.output
    assert "+ release vllm 0.32.0-cuda" in first.stdout
    assert first.stderr.splitlines()[-1].endswith("fleet.lock.json: written")
    assert set(written(inventory)["hosts"]) == {"gpu1", "gw1"}
    again = asked()
    assert again.stdout == "" and "nothing changes" in again.stderr


def test_a_dry_run_and_a_check_write_nothing(asked: Asked, inventory: Path) -> None:
    assert asked("--dry-run").exit_code == 0
    assert asked("--check").exit_code == 1
    assert not inventory.with_name("fleet.lock.json").exists()


def test_a_check_tells_outdated_from_refused(asked: Asked, inventory: Path) -> None:
    asked()
    assert asked("--check").exit_code == 0
    newer = {"system": {"packages": {"libdep1": deb("2.0-1")}}, "driver": {"packages": {}}}
    outdated = asked("--check", of_hosts={"gw1": {"groups": newer}})
    assert outdated.exit_code == 1 and "libdep1 1.0-1 -> 2.0-1" in outdated.stdout
    refused = asked("--check", fleet=CHANGED)
    assert refused.exit_code == 2
    assert (
        "a deploy is refused: fleet.lock.json: hosts[gpu1].models: is not in the" in refused.stderr
    )


def test_changes_as_json(asked: Asked) -> None:
    document = json.loads(asked("--json").stdout)
    whats = [change["what"] for change in document["changes"]]
    assert "+ host gw1: debian 12 amd64" in whats
    assert document["not_in_the_lock"] == []


def test_what_cannot_be_had_leaves_the_lock_as_it_was(asked: Asked, inventory: Path) -> None:
    asked()
    before = written(inventory)
    done = asked(fleet=CHANGED, pages={})
    assert done.exit_code == 69 and "the lock is left as it was" in done.stderr
    assert written(inventory) == before


def test_a_silent_host_is_said_and_stays(asked: Asked, inventory: Path) -> None:
    asked()
    before = written(inventory)
    done = asked(silent=["gw1"])
    assert done.exit_code == 0
    assert "warning: gw1 is as it was locked: gw1: no route to it" in done.stderr
    assert written(inventory) == before


def test_a_faulty_lock_file_is_one_error(asked: Asked, inventory: Path) -> None:
    inventory.with_name("fleet.lock.json").write_text('{"format": 2}')
    done = asked()
    assert done.exit_code == 65 and "fleet.lock.json.format: must be 1" in done.stderr


def test_a_resolved_release_says_what_to_set(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    from rackwright.commands import lock as verb

    text = f"vllm==0.33.0 --hash=sha256:{'a' * 64}\n"
    found = Resolved("a/vllm-0.33.0.txt", text, {"vllm_version": "0.33.0"}, ("1 package changes",))
    monkeypatch.setattr(verb, "resolved", lambda *_: found)
    monkeypatch.setattr(verb, "written", lambda one: Path("/p", one.requirements))
    assert asked("--resolve", "vllm==0.33.0", "--dry-run").stdout == "1 package changes\n"
    done = asked("--resolve", "vllm==0.33.0")
    assert done.stdout.splitlines()[-1] == 'vllm_version = "0.33.0"'
    assert done.stderr.startswith("/p/a/vllm-0.33.0.txt: written")
