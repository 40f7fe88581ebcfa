"""A deploy whose gateways may come before their servers is refused before a host is touched."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api.exceptions import DeployError

from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner import fleet as module
from rackwright.runner.fleet import FleetRun
from rackwright.runner.host_by_host import order_fault
from tests.samples.fleet import lab_hosts

PYINFRA = ["pyinfra", "-y", "inventories/lab.py", "deploy.py"]


def spec_of(**more: Any) -> Any:
    return load_fleet({name: {**own, **more} for name, own in lab_hosts().items()})


@pytest.mark.parametrize("option", ["--serial", "--no-wait"])
def test_replicas_and_gateways_host_by_host_are_refused(
    option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of()
    monkeypatch.setattr(module, "fleet_to_deploy", lambda hosts: FleetRun(spec, plan(spec)))
    monkeypatch.setattr(module, "current_host", SimpleNamespace(inventory=None))
    monkeypatch.setattr(module, "tell", lambda *_, **__: pytest.fail("it goes on"))
    monkeypatch.setattr("sys.argv", [*PYINFRA, option])
    with pytest.raises(DeployError, match=rf"^{option} .*No host was touched.*stages=gateway"):
        module.this_fleet()


@pytest.mark.parametrize("stages", ["replicas", "gateway,verify", "base,engines,models,replicas"])
def test_stage_by_stage_it_is_as_good_as_any(stages: str) -> None:
    assert order_fault([*PYINFRA, "--serial"], spec_of(stages=stages)) == ""


def test_the_usual_order_is_never_refused() -> None:
    assert order_fault(PYINFRA, spec_of()) == ""
    assert order_fault([*PYINFRA, "--serial"], spec_of()) != ""
