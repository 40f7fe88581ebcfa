"""A server in quarantine in a deploy: its replicas stay as they are, the others' are changed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner import replicas
from rackwright.runner.fleet import FleetRun
from rackwright.runner.quarantine import Quarantine
from rackwright.runner.steps import carrying_out
from rackwright.runner.steps.carrying_out import Rollout
from rackwright.runner.steps.order import Pending, Way
from tests.samples.fleet import lab_hosts


def fleet(**more: Any) -> FleetRun:
    spec = load_fleet({name: {**own, **more} for name, own in lab_hosts().items()})
    return FleetRun(spec, plan(spec))


def host(name: str) -> Any:
    return SimpleNamespace(name=name)


@pytest.fixture
def in_quarantine(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "since 12:00, watchdog: Xid 79"
    answers = {"gpu1": None, "gpu2": Quarantine(words)}
    monkeypatch.setattr(replicas, "quarantine_of", lambda host, _: answers[host.name])


def test_a_server_in_quarantine_is_left_alone_with_its_reason(in_quarantine: None) -> None:
    assert replicas._left_alone(fleet(), host("gpu1")) == ""
    words = replicas._left_alone(fleet(), host("gpu2"))
    assert words.startswith("gpu2 is in quarantine, its replicas were left as they are")
    assert "Xid 79" in words


def test_who_has_no_watchdog_or_no_replica_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas, "quarantine_of", lambda *_: 1 / 0)
    assert replicas._left_alone(fleet(watchdog="off"), host("gpu2")) == ""
    assert replicas._left_alone(fleet(), host("gw1")) == ""


def test_only_replicas_elsewhere_take_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has nothing left to do is asked no second time."""
    own: Any = None
    steps = [
        Pending("chat-gpu1-0", "chat", Way.CHANGE, ("gpu1",)),
        Pending("wide-gpu1-0", "wide", Way.CHANGE, ("gpu1", "gpu2")),
        Pending("wide-gpu3-0", "wide", Way.CHANGE, ("gpu3", "gpu2")),
    ]
    monkeypatch.setattr(carrying_out, "pending_of", lambda *_: steps)
    rollout = Rollout(fleet(), own, own)
    works: Any = {name: SimpleNamespace(host=host(name)) for name in ("gpu1", "gpu3")}
    for work in works.values():
        rollout.add(work)
    assert rollout._wanted(works) == steps
    rollout.leave(host("gpu2"))
    assert rollout._wanted(works) == steps[:1]
    assert list(rollout._works) == ["gpu1"]
