"""Seeds of a fleet: from a server's own, or carried from another; and what goes wrong with them."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.errors import HostError
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.remote import seeds as on_host
from rackwright.runner import carrying_seeds, seeds
from tests.samples.fleet import hosts, server, service

USER = "nobody"
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="changes user, which only root can")


class World:
    """chat on three servers, each with folders of its own; ``silent`` ones do not answer."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root, self.said, self.asked = root, list[str](), list[str]()
        self.silent: set[str] = set()
        self.spoilt = False
        self.tells: Any = None
        names = {f"gpu{number}": server(10 + number) for number in (1, 2, 3)}
        chat = service(servers=list(names), tensor_parallel_size=2)
        self.spec = load_fleet(hosts(names, {"chat": chat}))
        self.plan = plan(self.spec)
        fleet: Any = SimpleNamespace(
            spec=self.spec, plan=self.plan, settings=self.spec.settings.__getitem__
        )
        patch.setattr(seeds, "fleet_of", lambda inventory: fleet)
        patch.setattr(seeds, "reach", lambda inventory, name: self.host(name))
        patch.setattr(carrying_seeds, "call", self.call)
        patch.setattr(carrying_seeds, "PIECE_BYTES", 64)

    def host(self, name: str) -> Any:
        return SimpleNamespace(name=name, inventory=None)

    def call(self, host: Any, script: str, asked: dict[str, Any], **_: Any) -> Any:
        self.asked.append(f"{host.name} {asked['do']}")
        if host.name in self.silent:
            raise HostError(f"{host.name}: no answer")
        assert script == "seeds"
        if self.tells and host.name == "gpu3":
            return {"about": self.tells} if asked["do"] == "about" else self.tells
        own = self.root / host.name
        (own / "cache").mkdir(parents=True, exist_ok=True)
        os.chown(own / "cache", pwd.getpwnam(USER).pw_uid, -1)
        replicas = [
            {**one, "user": USER, "cache": str(self.cache(host.name))} for one in asked["replicas"]
        ]
        more = {"data": "AAAA"} if self.spoilt and asked["do"] == "add" else {}
        return on_host.main({**asked, "folder": str(own / "seeds"), "replicas": replicas, **more})

    def cache(self, name: str) -> Path:
        return self.root / name / "cache" / f"chat-{name}-0" / "0.32.0-cuda"

    def compiled(self, name: str) -> None:
        kernel = self.cache(name) / "triton/kernel"
        kernel.parent.mkdir(parents=True)
        kernel.write_text("code" * 100 + os.urandom(200).hex())
        for path in (kernel, *list(kernel.parents)[:4]):
            os.chown(path, pwd.getpwnam(USER).pw_uid, -1)

    def _do(self, act: Any, name: str) -> list[str]:
        self.said, self.asked = [], []
        replicas = self.plan.on(name)
        settings = self.spec.settings[name]
        act(self.host(name), replicas, settings, lambda who, words: self.said.append(words))
        return self.said

    def take(self, name: str) -> list[str]:
        return self._do(seeds.take, name)

    def make(self, name: str) -> list[str]:
        return self._do(seeds.make, name)

    def has(self, name: str) -> bool:
        return (self.cache(name) / "triton/kernel").exists()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="rackwright-test-") as name:
        Path(name).chmod(0o755)
        yield World(Path(name), monkeypatch)


def test_where_nobody_has_one_an_engine_just_starts(world: World) -> None:
    assert world.take("gpu1") == []
    assert not world.has("gpu1")


def test_it_is_carried_from_the_server_that_has_it(world: World) -> None:
    world.compiled("gpu3")
    (made,) = world.make("gpu3")
    assert "made" in made
    brought, taken = world.take("gpu1")
    assert "brought from gpu3" in brought and "taken: 1 files" in taken
    assert world.has("gpu1")
    kernels = {(world.cache(name) / "triton/kernel").read_text() for name in ("gpu1", "gpu3")}
    assert len(kernels) == 1


def test_a_server_that_has_it_asks_no_other(world: World) -> None:
    world.compiled("gpu3")
    world.make("gpu3")
    world.take("gpu1")
    (world.cache("gpu1") / "triton/kernel").unlink()
    (world.cache("gpu1") / "triton").rmdir()
    world.take("gpu1")
    assert world.asked == ["gpu1 look", "gpu1 take"]


def test_a_replica_that_has_it_costs_one_question(world: World) -> None:
    world.compiled("gpu3")
    world.make("gpu3")
    assert world.take("gpu3") == []
    assert world.asked == ["gpu3 look"]


def test_a_server_that_is_silent_is_passed_over(world: World) -> None:
    world.compiled("gpu3")
    world.make("gpu3")
    world.silent = {"gpu2"}
    words = world.take("gpu1")
    assert "not brought from gpu2: gpu2: no answer" in words[0]
    assert world.has("gpu1")


def test_what_is_spoilt_on_its_way_is_not_taken(world: World) -> None:
    world.compiled("gpu3")
    world.make("gpu3")
    world.spoilt = True
    (words,) = world.take("gpu1")
    assert "was not brought from gpu3" in words
    assert not world.has("gpu1")


def test_one_that_is_more_than_may_be_kept_is_not_brought(world: World) -> None:
    world.compiled("gpu3")
    world.make("gpu3")
    settings = world.spec.settings
    settings["gpu1"] = settings["gpu1"].model_copy(update={"seeds_gib": 0})
    assert world.take("gpu1") == []


NONSENSE: list[Any] = [
    {"sha256": "../x", "size": 1},
    {"sha256": "a" * 64, "size": -1},
    {"sha256": "a" * 64, "size": "1"},
    {"sha256": "a" * 64},
    [1],
    "seed",
]


@pytest.mark.parametrize("told", NONSENSE, ids=str)
def test_a_server_may_tell_anything_of_a_seed(world: World, told: Any) -> None:
    world.compiled("gpu3")
    world.make("gpu3")
    world.tells = told
    (words,) = world.take("gpu1")
    assert "was not brought from gpu3" in words
    world.tells = {"seeds": [told], "replicas": {}}
    with pytest.raises(ValueError):
        seeds.listed(world.host("gpu3"), world.spec.settings["gpu3"])


def test_no_start_fails_for_want_of_one(world: World) -> None:
    world.silent = {"gpu1"}
    assert world.take("gpu1") == ["starts without a seed: gpu1: no answer"]
    assert world.make("gpu1") == ["no seed was made: gpu1: no answer"]


def test_switched_off_nothing_is_asked(world: World) -> None:
    settings = world.spec.settings
    settings["gpu1"] = settings["gpu1"].model_copy(update={"seeds": "off"})
    world.take("gpu1"), world.make("gpu1")
    assert world.asked == []
