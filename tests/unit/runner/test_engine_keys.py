"""Which of the engines' keys each replica has, as a deploy of a gateway finds out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.desired.gateway_keys import NO_KEYS, KeyFiles
from rackwright.errors import HostError
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.remote.served.key_id import key_id
from rackwright.runner import asking
from rackwright.runner import engine_keys as module
from rackwright.runner.steps import rank
from tests.samples.fleet import hosts, server, service

OLD, NEW = key_id("of-last-year"), key_id("of-this-year")
FIRST, SECOND = "chat-gpu1-0", "chat-gpu1-1"


class World:
    """Two servers with a replica each; ``has`` is what their environment files have."""

    def __init__(self, patch: pytest.MonkeyPatch, planned: str) -> None:
        self.has: dict[str, str | None] = {FIRST: NEW, SECOND: NEW}
        self.asked: list[str] = []
        spec = load_fleet(
            hosts({"gpu1": server(), "gpu2": server(12)}, {"chat": service(replicas=2)})
        )
        settings = spec.settings.__getitem__
        self.fleet: Any = SimpleNamespace(spec=spec, plan=plan(spec), settings=settings)
        patch.setattr(module, "engine_key_id", lambda settings: planned)
        patch.setattr(asking, "reach", lambda inventory, name: name)
        patch.setattr(rank, "Rank", self.rank)

    def rank(self, host: str, replica: Any, *rest: Any) -> Any:
        return SimpleNamespace(key_id=lambda: self.key_id(replica.name))

    def key_id(self, name: str) -> str:
        self.asked.append(name)
        if (found := self.has[name]) is None:
            raise HostError("gpu2: no answer")
        return found

    def keys(self, *known: Any) -> KeyFiles:
        own: Any = SimpleNamespace()
        return module.with_engine_keys(NO_KEYS, known, self.fleet, own, "gw1")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch, NEW)


@pytest.mark.parametrize("known", [(), (NEW,), ({}, None)])
def test_without_a_change_no_server_is_asked(world: World, known: tuple[Any, ...]) -> None:
    keys = world.keys(*known)
    assert keys.of_replicas == {FIRST: NEW, SECOND: NEW} and keys.own is NO_KEYS.own
    assert world.asked == []


def test_the_old_one_goes_when_no_replica_has_it(world: World) -> None:
    keys = world.keys(OLD, NEW)
    assert keys.own is NO_KEYS.own and keys.of_replicas == {FIRST: NEW, SECOND: NEW}
    assert world.asked == [FIRST, SECOND]


def test_the_old_one_stays_for_who_has_it(world: World) -> None:
    world.has[SECOND] = OLD
    keys = world.keys(OLD)
    assert keys.own is None and keys.of_replicas == {FIRST: NEW, SECOND: OLD}


def test_a_server_that_is_dead_holds_nothing_up(world: World) -> None:
    world.has[SECOND] = None
    assert world.keys(OLD, NEW).of_replicas == {FIRST: NEW, SECOND: NEW}


def test_a_key_that_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, "")
    world.has = {FIRST: "", SECOND: OLD}
    assert world.keys(OLD).own is None
    world.has[SECOND] = ""
    assert world.keys(OLD).own is NO_KEYS.own
