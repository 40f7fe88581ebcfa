"""The lock of a fleet that is deployed: the file beside its inventory, where there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from rackwright.errors import SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.locking import Lock, write_lock
from rackwright.planning.placing import plan
from rackwright.runner import fleet as module
from rackwright.runner import locked
from rackwright.runner.fleet import FleetRun, fleet_to_deploy
from tests.samples.fleet import hosts, service
from tests.samples.locks import DRIVER, fresh, pins

INVENTORY = cast(Any, None)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of the lock, beside an inventory."""
    monkeypatch.setattr(locked, "path_of", lambda _: tmp_path / "prod.py")
    return tmp_path / "prod.lock.json"


def of_fleet(**more: Any) -> Lock | None:
    spec = load_fleet(hosts(**more))
    return locked.lock_of(INVENTORY, spec, plan(spec))


def test_without_a_file_nothing_is_locked(path: Path) -> None:
    assert of_fleet() is None


def test_a_fleet_is_held_to_its_lock(path: Path) -> None:
    write_lock(path, fresh(pins()).lock)
    assert of_fleet() == fresh(pins()).lock


def test_what_is_declared_and_not_locked_is_refused(path: Path) -> None:
    write_lock(path, fresh(pins()).lock)
    with pytest.raises(SpecError, match="1 fault in the lock file; no host was touched"):
        of_fleet(services={"chat": service(revision="f" * 40)})


def test_an_inventory_of_no_file_has_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locked, "path_of", lambda _: None)
    assert of_fleet() is None


def test_who_deploys_has_the_lock_and_who_only_looks_has_not(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lock(path, fresh(pins()).lock)
    spec = load_fleet(hosts())
    fleet = FleetRun(spec, plan(spec))
    monkeypatch.setattr(module, "fleet_with_secrets", lambda _: fleet)
    assert fleet.settings("gpu1").engine_python == ">=3.11,<3.15"
    assert fleet_to_deploy(INVENTORY).settings("gpu1").engine_python == "==3.11.2"
    assert fleet.driver_version("gpu1") == DRIVER and fleet.driver_version("gw1") is None
