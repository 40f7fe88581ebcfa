"""What the tests of a fleet are about: each server, replica and gateway. They only read."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host as Machine

from rackwright.checks import CHECKS, Check, CheckResult, Planned, Status
from rackwright.checks.results import Acceptance
from rackwright.runner.fleet import FleetRun
from rackwright.runner.planned import planned
from rackwright.spec import Settings
from tests.samples.connections import connected, loaded, told


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--inventory", help="pyinfra inventory of the fleet to verify")


def pytest_configure(config: pytest.Config) -> None:
    """A missing or faulty inventory is one message, before any test is made."""
    loaded(path_of(config))


def path_of(config: pytest.Config) -> str:
    path = config.getoption("--inventory")
    if not path:
        raise pytest.UsageError("--inventory INVENTORY is required")
    return str(path)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each server, replica or gateway, or each check of them: whichever it asks for."""
    _, fleet = loaded(path_of(metafunc.config))
    everything: dict[str, list[Any]] = {
        "server": list(fleet.spec.servers.values()),
        "gateway": list(fleet.spec.gateways.values()),
        "replica": list(fleet.plan.replicas),
    }
    for kind, found in everything.items():
        if kind in metafunc.fixturenames:
            ids = [
                f"{one.server.name}:{one.name}" if kind == "replica" else one.name for one in found
            ]
            metafunc.parametrize(kind, found, ids=ids)
    if "asked" in metafunc.fixturenames:
        pairs = asked_of(fleet)
        metafunc.parametrize("asked", pairs, ids=[f"{about(one)}-{c.name}" for one, c in pairs])


def asked_of(fleet: FleetRun) -> list[tuple[Planned, Check[Any]]]:
    """What is planned, each with the checks that are asked of it where all is well."""
    everything = planned(fleet, list(fleet.spec.settings), load=False)
    return [
        (one, check)
        for one in everything
        for check in CHECKS
        if check.is_asked(one, check.healthy.seen)
    ]


def about(planned: Planned) -> str:
    host, name = planned.host, planned.name
    return host if name == host else f"{host}:{name}"


@pytest.fixture(scope="session")
def fleet(pytestconfig: pytest.Config) -> FleetRun:
    return loaded(path_of(pytestconfig))[1]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The host that this test is about."""
    for kind in ("server", "gateway", "replica"):
        if kind in request.fixturenames:
            one = request.getfixturevalue(kind)
            return str(one.server.name if kind == "replica" else one.name)
    raise LookupError("a test of a fleet asks for a server, a gateway or a replica")


machines: dict[str, Machine] = {}


@pytest.fixture
def machine(pytestconfig: pytest.Config, name: str) -> Machine:
    hosts, _ = loaded(path_of(pytestconfig))
    if name not in machines:
        machines[name] = connected(name, hosts[name])
    return machines[name]


@pytest.fixture
def settings(fleet: FleetRun, name: str) -> Settings:
    return fleet.settings(name)


@pytest.fixture(scope="session")
def seen(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> list[CheckResult]:
    """Every check of the deploy, asked once, however many workers share the tests."""
    own = tmp_path_factory.getbasetemp()
    shared = (own if worker_id == "master" else own.parent) / "checks.json"
    with Path(f"{shared}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shared.exists():
            words = ("verify", path_of(pytestconfig), "--json", "--no-load")
            shared.write_text(told("rackwright", *words))
    rows = json.loads(shared.read_text())["results"]
    return [result_of(row) for row in rows]


def result_of(row: dict[str, Any]) -> CheckResult:
    accepted = Acceptance(**row["accepted"]) if row["accepted"] else None
    return CheckResult(**{**row, "status": Status(row["status"]), "accepted": accepted})
