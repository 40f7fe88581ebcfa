"""What the tests of a fleet share: its plan, and a connection to each host of its inventory.

Both come from the pyinfra inventory alone. Tests only read.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import testinfra
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from testinfra.host import Host as Machine

from rackwright.errors import RackwrightError
from rackwright.runner.fleet import Fleet, fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.verifying import Verified, verified
from rackwright.settings import Settings


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--inventory", help="pyinfra inventory of the fleet to verify")


def pytest_configure(config: pytest.Config) -> None:
    """A missing or faulty inventory is one message, before any test is made."""
    loaded(path_of(config))


@cache
def loaded(path: str) -> tuple[Inventory, Fleet]:
    try:
        inventory = load_inventory(path)
        return inventory, fleet_of(inventory)
    except RackwrightError as error:
        raise pytest.UsageError(str(error)) from None


def path_of(config: pytest.Config) -> str:
    path = config.getoption("--inventory")
    if not path:
        raise pytest.UsageError("--inventory INVENTORY is required")
    return str(path)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each server, replica or gateway, whichever it asks for."""
    _, fleet = loaded(path_of(metafunc.config))
    everything: dict[str, list[Any]] = {
        "server": list(fleet.spec.servers.values()),
        "gateway": list(fleet.spec.gateways.values()),
        "replica": list(fleet.plan.replicas),
    }
    for kind, found in everything.items():
        if kind in metafunc.fixturenames:
            ids = [f"{one.server}:{one.name}" if kind == "replica" else one.name for one in found]
            metafunc.parametrize(kind, found, ids=ids)


@pytest.fixture(scope="session")
def fleet(pytestconfig: pytest.Config) -> Fleet:
    return loaded(path_of(pytestconfig))[1]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """The host that this test is about."""
    for kind in ("server", "gateway", "replica"):
        if kind in request.fixturenames:
            one = request.getfixturevalue(kind)
            return str(one.server if kind == "replica" else one.name)
    raise LookupError("a test of a fleet asks for a server, a gateway or a replica")


@pytest.fixture
def machine(pytestconfig: pytest.Config, name: str) -> Machine:
    inventory, _ = loaded(path_of(pytestconfig))
    return connected(inventory.get_host(name))


@pytest.fixture
def settings(fleet: Fleet, name: str) -> Settings:
    return fleet.settings(name)


@pytest.fixture(scope="session")
def seen(pytestconfig: pytest.Config) -> Verified:
    """Every check of the deploy, asked once."""
    return verified(path_of(pytestconfig), lambda line: None, load=False)


@cache
def connected(host: Host) -> Machine:
    """testinfra's view of a host, by the same SSH settings that pyinfra takes from its data."""
    data = host.data
    sudo = {"sudo": bool(data.get("_sudo")), "sudo_user": data.get("_sudo_user")}
    if host.name == "@local":
        return testinfra.get_host("local://", **sudo)
    user, port = data.get("ssh_user"), data.get("ssh_port")
    spec = f"{user}@" if user else ""
    spec += str(data.get("ssh_hostname") or host.name) + (f":{port}" if port else "")
    options = ["-o BatchMode=yes"]
    if known := data.get("ssh_known_hosts_file"):
        options.append(f"-o UserKnownHostsFile={known}")
    return testinfra.get_host(
        f"ssh://{spec}",
        ssh_config=data.get("ssh_config_file"),
        ssh_identity_file=data.get("ssh_key"),
        ssh_extra_args=" ".join(options),
        **sudo,
    )
