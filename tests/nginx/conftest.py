"""A gateway on loopback with two engines behind it, for each module that asks."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from lab.local_gateway import LocalGateway
from lab.ports import free_port
from tests.samples.controlled_engine import ControlledEngine
from tests.samples.stand_in_fleet import StandInFleet

Gateways = Callable[..., LocalGateway]


@pytest.fixture(scope="module")
def up() -> Iterator[Gateways]:
    """``up(fleet, keys=..., ...)``: a gateway that runs until the module ends."""
    with ExitStack() as running:

        def start(fleet: dict[str, Any], **more: Any) -> LocalGateway:
            # Not pytest's: every other one that starts closes its folder to the workers' user.
            folder = Path(running.enter_context(TemporaryDirectory(prefix="rackwright-")))
            folder.chmod(0o755)
            return running.enter_context(LocalGateway(folder, free_port(), fleet, **more).running())

        yield start


@pytest.fixture(scope="module")
def engines() -> Iterator[tuple[ControlledEngine, ControlledEngine]]:
    """Two engines that are well."""
    with ControlledEngine().running() as first, ControlledEngine().running() as second:
        yield first, second


@pytest.fixture(autouse=True)
def nothing_went_wrong(request: pytest.FixtureRequest) -> Iterator[None]:
    """No test may leave an error of the Lua behind, nor anything in flight."""
    yield
    gateway: LocalGateway | None = request.node.funcargs.get("gateway")
    if gateway is None:
        return
    lines = gateway.error_log.read_text().splitlines()
    faults = [line for line in lines if "fault in" in line or "lua entry thread" in line]
    assert not faults, faults[:3]


def client(gateway: LocalGateway, **more: Any) -> httpx.Client:
    """A client of HTTP/1.1 that trusts the gateway."""
    return httpx.Client(
        base_url=gateway.url,
        verify=ssl.create_default_context(cafile=str(gateway.certificate)),
        timeout=30,
        **more,
    )


@pytest.fixture
def ask(gateway: LocalGateway) -> Iterator[httpx.Client]:
    """A client of the module's gateway."""
    with client(gateway) as one:
        yield one


@pytest.fixture(scope="module")
def served() -> Iterator[StandInFleet]:
    """Stand-ins for engines of four services, as real clients know them."""
    fleet = StandInFleet().start()
    yield fleet
    fleet.stop()
