"""What is changed at once: gateways know its key and its port before it answers again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.desired.items import Change, File, Unit
from rackwright.errors import HostError
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.remote.served.key_id import key_id
from rackwright.runner import replicas, starting
from rackwright.runner.steps.at_once import tell_of_changed, tell_of_new
from rackwright.runner.steps.options import Options, asked_for
from tests.samples.fleet import hosts, server, service, settings

NAME = "chat-gpu1-0"
DEAD = {"active": "failed", "stamp": {"restart": "older"}, "enabled": "enabled"}


class Gates:
    """Gateways that note what they are told, or refuse it."""

    def __init__(self, log: list[Any]) -> None:
        self.log, self.refuses = log, False

    def learn(self) -> None:
        self.log.append("learn")

    def put(self, replica: Any, before: Any, key: str) -> None:
        if self.refuses:
            raise HostError("gw1: no answer")
        self.log.append((replica.name, replica.port, key))


def work(seen: dict[str, Any], *, files: bool = True, later: tuple[str, ...] = ()) -> Any:
    """chat on gpu1, whose unit was there like this; its environment differs or does not."""
    fleet = load_fleet(hosts({"gpu1": server(11)}, {"chat": service()}))
    changes = [Change(Unit(f"rackwright-{NAME}.service"), "is failed: start", seen)]
    if files:
        changes.insert(0, Change(File("/etc/x.env", b"KEY=new"), "content differs", {}))
    own = {NAME: changes}
    return SimpleNamespace(
        planned=plan(fleet).replicas,
        own=own,
        later=later,
        now=changes,
        settings=settings(engine_api_key_env="ENGINES"),
    )


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ENGINES", "new-key-of-engines")
    return key_id("new-key-of-engines")


def test_one_that_died_is_known_with_its_new_key_before_it_is_started(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    log = made(monkeypatch, work(DEAD))
    assert log == ["learn", (NAME, 8000, key), "apply"]


def test_where_a_gateway_does_not_hear_of_it_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert made(monkeypatch, work(DEAD), refuses=True) == ["learn", "gw1: no answer"]


@pytest.mark.parametrize(
    "nothing",
    [work(DEAD, files=False), work(DEAD, later=(NAME,)), work({})],
    ids=["as it was", "in a step", "new: the stage gateway brings it"],
)
def test_gateways_are_not_asked_for_nothing(nothing: Any) -> None:
    log: list[Any] = []
    tell_of_changed(nothing, Gates(log))  # type: ignore[arg-type]
    assert log == []


def test_a_new_one_is_told_of_once_it_runs_where_no_gateway_stage_follows(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    with asked_for(Options(service="chat")):
        assert made(monkeypatch, work({})) == ["apply", "learn", (NAME, 8000, key)]
    assert made(monkeypatch, work({})) == ["apply"]
    log: list[Any] = []
    tell_of_new(work(DEAD), Gates(log))  # type: ignore[arg-type]
    assert log == []


def made(monkeypatch: pytest.MonkeyPatch, wanted: Any, *, refuses: bool = False) -> list[Any]:
    """What a run does that makes these changes at once, in order."""
    log: list[Any] = []
    gates = Gates(log)
    gates.refuses = refuses

    fleet = SimpleNamespace(started={})
    rollout = SimpleNamespace(gates=gates, add=lambda work: None)
    for name, value in {
        "this_fleet": lambda: fleet,
        "rollout": lambda fleet: rollout,
        "await_units": lambda host, units: True,
        "fail": lambda host, words: log.append(words) or False,
    }.items():
        monkeypatch.setattr(replicas, name, value)
    monkeypatch.setattr(starting, "make_then_start", lambda *_: log.append("apply"))
    replicas._make(None, SimpleNamespace(name="gpu1"), wanted)  # type: ignore[arg-type]
    assert fleet.started == ({"gpu1": {NAME}} if "apply" in log else {})
    return log
