"""Where gateways come from: asked once, and nobody who is let in is shut out for a silence."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import HostError
from rackwright.runner import sources

TARGETS = ["192.0.2.11", "192.0.2.12"]
LOADED = {"sets": {"gateways4": ["192.0.2.10"], "gateways6": ["fd00::1"]}}


class FakeHost:
    """A gateway that is not connected, or a server that wants to know."""

    def __init__(self, inventory: Any = None) -> None:
        self.inventory, self.connected, self.said = inventory, 0, []

    def connect(self, **_: Any) -> None:
        self.connected += 1

    def log(self, words: str) -> None:
        self.said.append(words)


class FakeInventory(dict[str, FakeHost]):
    """Hosts by name; hashed by what it is, as pyinfra's."""

    __hash__ = object.__hash__  # type: ignore[assignment]

    def get_host(self, name: str) -> FakeHost:
        return self[name]


@pytest.fixture
def gateways(monkeypatch: pytest.MonkeyPatch) -> FakeInventory:
    """gw1 answers, gw2 is silent."""
    inventory = FakeInventory(gw1=FakeHost(), gw2=FakeHost())

    def answer(host: Any, script: str, targets: list[str], **_: Any) -> dict[str, str]:
        assert (script, targets) == ("routes", TARGETS)
        if host is inventory["gw2"]:
            raise HostError("gw2: routes gave no answer")
        return {"192.0.2.11": "10.0.0.1", "192.0.2.12": "10.0.0.1"}

    monkeypatch.setattr(sources, "look", answer)
    return inventory


def ask(inventory: FakeInventory, *names: str, loaded: Any = None) -> tuple[str, ...]:
    server: Any = FakeHost(inventory)
    return sources.sources_of(server, names, TARGETS, loaded)


def test_a_gateway_is_asked_once_for_all_servers(gateways: FakeInventory) -> None:
    assert ask(gateways, "gw1") == ask(gateways, "gw1") == ("10.0.0.1",)
    assert gateways["gw1"].connected == 1


def test_none_is_asked_where_all_is_declared(gateways: FakeInventory) -> None:
    assert ask(gateways) == ()
    assert gateways["gw1"].connected == gateways["gw2"].connected == 0


def test_a_silent_one_stays_let_in(gateways: FakeInventory) -> None:
    assert ask(gateways, "gw1", "gw2", loaded=LOADED) == ("10.0.0.1", "192.0.2.10", "fd00::1")


def test_a_silent_one_that_nobody_knows_is_a_fault_with_its_remedy(gateways: FakeInventory) -> None:
    with pytest.raises(HostError, match=r"declare gateways\[gw2\].address"):
        ask(gateways, "gw1", "gw2")
