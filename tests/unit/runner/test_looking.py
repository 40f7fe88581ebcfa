"""What stages look at first is asked at once, and again after whatever may have changed it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import gevent
import pytest
from gevent.event import Event

from rackwright.desired.items import File, query
from rackwright.errors import HostError
from rackwright.runner import looking, remote_call
from rackwright.runner.looking import AT_ONCE, look, look_ahead, look_now
from rackwright.runner.remote_call import call

ROUTES = {"198.18.0.11": "198.18.0.10"}
FILE = File("/etc/a", b"as planned\n")
OTHER = File("/etc/a", b"another\n")
SEEN = {"type": "file", "sha256": FILE.sha256, "mode": 0o644, "owner": "root", "group": "root"}


class Inventory:
    """Hosts by name."""

    def __init__(self, *names: str) -> None:
        limit = {"gw1"}
        self.state = SimpleNamespace(is_executing=True, ops={}, active_hosts=set())
        self.state.is_host_in_limit = lambda host: host.name in limit
        self.hosts = {name: FakeHost(name, self) for name in names}
        self.state.active_hosts |= set(self.hosts.values())

    def get_host(self, name: str) -> FakeHost:
        return self.hosts[name]


class FakeHost:
    """One that answers what it is asked, and remembers that."""

    current_op_global_arguments: dict[str, Any] = {"_sudo": True}  # noqa: RUF012

    def __init__(self, name: str, inventory: Inventory) -> None:
        self.name, self.inventory, self.state = name, inventory, inventory.state
        self.asked: list[Any] = []
        self.broken: set[str] = set()

    def answer(self, script: str, arguments: Any) -> Any:
        if script in self.broken:
            raise HostError(f"{script} is broken")
        if script == AT_ONCE:
            self.asked.append([one[0] for one in arguments[0]])
            return [self._one(*one) for one in arguments[0]]
        self.asked.append(script)
        return self._plain(script, *arguments)

    def _one(self, script: str, *arguments: Any) -> dict[str, Any]:
        if script in self.broken:
            return {"error": "OSError: is broken"}
        return {"answer": self._plain(script, *arguments)}

    def _plain(self, script: str, *arguments: Any) -> Any:
        if script == "state":
            return [SEEN if item["kind"] == "file" else {} for item in arguments[0]["items"]]
        return {"routes": ROUTES, "names": {}, "apply": {}}[script]


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Inventory:
    """Hosts of a run that will look at routes, and at a file."""

    def called(host: FakeHost, script: str, arguments: Any, *_: Any) -> Any:
        return host.answer(script, arguments)

    monkeypatch.setattr(remote_call, "_called", called)
    inventory = Inventory("gw1", "gpu1")
    look_ahead(inventory, lambda _: [["routes", ["a"]], state(FILE)])  # type: ignore[arg-type]
    return inventory


def state(file: File) -> list[Any]:
    return ["state", {"do": "observe", "items": query([file])}]


def test_stages_of_a_run_ask_a_host_once(fleet: Inventory) -> None:
    host: Any = fleet.hosts["gw1"]
    for _ in range(2):
        assert look(host, "routes", ["a"], kind=dict) == ROUTES
        assert look(host, *state(FILE)) == [SEEN]
    assert host.asked == [["state", "routes"]]
    assert fleet.hosts["gpu1"].asked == []


def test_what_was_not_foreseen_is_asked_by_itself(fleet: Inventory) -> None:
    host: Any = fleet.hosts["gw1"]
    assert look(host, "routes", ["b"]) == ROUTES
    assert look(host, "names", []) == {}
    assert host.asked == [["state", "routes"], "routes", "names"]


def act(fleet: Inventory) -> None:
    call(fleet.hosts["gw1"], "apply")  # type: ignore[arg-type]
    fleet.hosts["gw1"].asked.pop()


def another_phase(fleet: Inventory) -> None:
    fleet.state.is_executing = False


def of_others(fleet: Inventory) -> None:
    """An operation that is none of ours ran something."""
    ran = SimpleNamespace(operation_meta=SimpleNamespace(executed=True))
    fleet.state.ops[fleet.hosts["gw1"]] = {"hash": ran}


@pytest.mark.parametrize("change", [act, another_phase, of_others])
def test_after_a_change_a_host_is_asked_again(
    fleet: Inventory, change: Callable[[Inventory], None]
) -> None:
    host: Any = fleet.hosts["gw1"]
    look(host, "routes", ["a"])
    change(fleet)
    look(host, "routes", ["a"])
    look(host, *state(FILE))
    assert host.asked == [["state", "routes"]] * 2


def test_what_is_done_elsewhere_changes_nothing_here(fleet: Inventory) -> None:
    host: Any = fleet.hosts["gw1"]
    look(host, "routes", ["a"])
    call(fleet.hosts["gpu1"], "apply")  # type: ignore[arg-type]
    look(host, "routes", ["a"])
    assert host.asked == [["state", "routes"]]


def test_what_was_seen_long_ago_is_looked_at_again(
    fleet: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    host: Any = fleet.hosts["gw1"]
    look(host, "routes", ["a"])
    monkeypatch.setattr(looking, "AGE_S", 0)
    look(host, "routes", ["a"])
    assert host.asked == [["state", "routes"]] * 2


def test_a_file_that_differs_is_read_for_what_is_shown(fleet: Inventory) -> None:
    host: Any = fleet.hosts["gw1"]
    look(host, *state(OTHER))
    assert host.asked == [["state", "routes"], "state"]
    secret = File("/etc/a", b"another\n", secret=True)
    look(host, *state(secret))
    assert host.asked == [["state", "routes"], "state"]


def test_a_question_that_failed_is_asked_by_itself_for_its_words(fleet: Inventory) -> None:
    host: Any = fleet.hosts["gw1"]
    host.broken = {"routes"}
    assert look(host, *state(FILE)) == [SEEN]
    with pytest.raises(HostError, match="routes is broken"):
        look(host, "routes", ["a"])


def test_a_host_that_cannot_be_asked_at_once_is_asked_one_by_one(fleet: Inventory) -> None:
    host: Any = fleet.hosts["gw1"]
    host.broken = {AT_ONCE}
    assert look(host, "routes", ["a"]) == ROUTES
    assert look(host, *state(FILE)) == [SEEN]
    assert host.asked == ["routes", "state"]


def test_a_host_outside_the_run_is_asked_what_is_wanted_alone(fleet: Inventory) -> None:
    host: Any = fleet.hosts["gw1"]
    fleet.state.active_hosts.remove(host)
    assert look(host, "routes", ["a"]) == ROUTES
    assert host.asked == ["routes"]


def test_an_answer_of_another_kind_is_none(fleet: Inventory) -> None:
    host: Any = fleet.hosts["gw1"]
    with pytest.raises(HostError, match="gw1: routes answered no list, but "):
        look(host, "routes", ["a"], kind=list)


def test_a_host_is_asked_as_soon_as_it_is_connected_for_whatever_phase_comes_first(
    fleet: Inventory,
) -> None:
    host: Any = fleet.hosts["gw1"]
    look_now(host)
    gevent.sleep(0)
    assert host.asked == [["state", "routes"]]
    for _ in range(2):
        assert look(host, "routes", ["a"]) == ROUTES
    assert host.asked == [["state", "routes"]]
    another_phase(fleet)
    look(host, "routes", ["a"])
    assert host.asked == [["state", "routes"]] * 2


def test_its_first_look_waits_for_an_answer_that_is_on_its_way(
    fleet: Inventory, monkeypatch: pytest.MonkeyPatch
) -> None:
    host: Any = fleet.hosts["gw1"]
    answers, comes = host.answer, Event()

    def slow(*asked: Any) -> Any:
        comes.wait()
        return answers(*asked)

    monkeypatch.setattr(host, "answer", slow)
    look_now(host)
    gevent.sleep(0)
    stage = gevent.spawn(look, host, "routes", ["a"])
    gevent.sleep(0)
    comes.set()
    assert stage.get() == ROUTES
    assert host.asked == [["state", "routes"]]


def test_what_was_done_since_it_was_connected_is_looked_at(fleet: Inventory) -> None:
    host: Any = fleet.hosts["gw1"]
    look_now(host)
    gevent.sleep(0)
    act(fleet)
    look(host, "routes", ["a"])
    assert host.asked == [["state", "routes"]] * 2


@pytest.mark.parametrize("error", [HostError("is broken"), EOFError(), TypeError("no text")])
def test_one_that_gives_no_answer_is_asked_again_by_its_stage(
    fleet: Inventory, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    host: Any = fleet.hosts["gw1"]
    with monkeypatch.context() as silent:
        silent.setattr(looking, "_asked", Mock(side_effect=error))
        look_now(host)
        gevent.sleep(0)
    assert look(host, "routes", ["a"]) == ROUTES
    assert host.asked == [["state", "routes"]]


def test_a_host_outside_the_limit_that_is_connected_to_is_not_asked(fleet: Inventory) -> None:
    host: Any = fleet.hosts["gpu1"]
    look_now(host)
    gevent.sleep(0)
    assert host.asked == []
