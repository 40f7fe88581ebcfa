"""Hosts asked for drift: who is asked, once each, and what becomes of one that says nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any
from unittest.mock import Mock

import pytest

from rackwright.drift import kinds
from rackwright.errors import RefusedError
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner import drifts
from rackwright.runner.asking import LIMIT_S
from rackwright.runner.drifts import look, named_hosts
from rackwright.runner.fleet import FleetRun
from tests.samples.drift import Answer, as_planned
from tests.samples.fleet import lab_hosts

HOSTS = ("gpu1", "gpu2", "gw1")


@pytest.fixture
def fleet() -> FleetRun:
    spec = load_fleet(lab_hosts())
    return FleetRun(spec, plan(spec))


class Rack:
    """Stands in for the hosts: each answers as one on which all is as planned, but for ``lies``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lies: dict[str, Callable[[Answer], object]] = {}
        self.silent: dict[str, str] = {}
        self.asked: list[str] = []
        self.limit_s = 0.0
        self.requests: list[dict[str, Any]] = []
        monkeypatch.setattr(drifts, "ask_all", self)
        monkeypatch.setattr(drifts, "call", self.call)

    def __call__(
        self, inventory: Any, question: Any, said: Any, only: Iterable[str], limit_s: float
    ) -> dict[str, Answer]:
        self.limit_s = limit_s
        answers = {}
        for name in only:
            self.asked.append(name)
            host = Mock()
            host.name = name
            self.questions = only
            answers[name] = {"error": self.silent[name]} if name in self.silent else question(host)
            said(name, answers[name])
        return answers

    def call(self, host: Any, script: str, request: dict[str, Any], kind: type) -> Answer:
        assert (script, kind) == ("drift", dict)
        self.requests.append(json.loads(json.dumps(request)))
        answer = as_planned(self.questions[host.name])  # type: ignore[index]
        self.lies.get(host.name, lambda one: None)(answer)
        return answer


@pytest.fixture
def rack(monkeypatch: pytest.MonkeyPatch) -> Rack:
    return Rack(monkeypatch)


def test_each_host_is_asked_once_and_all_is_well(fleet: FleetRun, rack: Rack) -> None:
    heard: list[str] = []
    found = look(fleet, Mock(), HOSTS, lambda name, answer: heard.append(name))
    assert rack.asked == heard == [*HOSTS] and len(rack.requests) == 3
    assert (found.drifts, found.silent, rack.limit_s) == ([], {}, LIMIT_S)
    assert len({request["nonce"] for request in rack.requests}) == 1


def test_a_drift_is_of_its_host(fleet: FleetRun, rack: Rack) -> None:
    rack.lies["gpu2"] = lambda answer: answer["firewall"].update(enabled=False)
    (found,) = look(fleet, Mock(), HOSTS).drifts
    assert (found.host, found.kind) == ("gpu2", kinds.FIREWALL)


def test_a_gateway_that_alone_knows_where_it_comes_from_is_asked_for_a_server(
    fleet: FleetRun, rack: Rack
) -> None:
    found = look(fleet, Mock(), ["gpu1"])
    assert rack.asked == ["gpu1", "gw1"]
    assert found.drifts == [] and set(found.answers) == {"gpu1"}


def test_one_that_says_nothing_is_not_taken_for_a_clean_one(fleet: FleetRun, rack: Rack) -> None:
    rack.silent["gpu1"] = "timed out"
    rack.lies["gpu2"] = lambda answer: answer.pop("items")
    rack.lies["gw1"] = lambda answer: answer.update(
        sockets=None, unavailable={"sockets": "PermissionError: /proc"}
    )
    found = look(fleet, Mock(), HOSTS)
    assert found.silent["gpu1"] == "timed out"
    assert found.silent["gpu2"].startswith("its answer cannot be read (KeyError")
    assert found.silent["gw1"] == "sockets: PermissionError: /proc"
    assert found.drifts == []


def test_what_depends_on_gpus_that_nobody_sees_is_no_drift(fleet: FleetRun, rack: Rack) -> None:
    """An NVIDIA library that refuses to start is no reason to call files edited."""

    def blind(answer: Answer) -> None:
        answer["known"]["gpus"] = []
        answer["unavailable"]["gpus"] = "NVMLError: Driver/library version mismatch"

    rack.lies["gpu1"] = blind
    found = look(fleet, Mock(), HOSTS)
    assert found.silent == {"gpu1": "gpus: NVMLError: Driver/library version mismatch"}
    assert found.drifts == []


def test_all_weights_are_read_in_as_much_time_as_that_takes(fleet: FleetRun, rack: Rack) -> None:
    look(fleet, Mock(), HOSTS, deep=True)
    assert rack.limit_s == drifts.DEEP_LIMIT_S
    assert all(request["deep"] for request in rack.requests)


def test_hosts_are_named_as_in_the_inventory(fleet: FleetRun) -> None:
    assert named_hosts(fleet, ()) == [*fleet.spec.settings]
    assert named_hosts(fleet, ("gw1",)) == ["gw1"]
    with pytest.raises(RefusedError, match="'gpu9' is not a known host, did you mean 'gpu"):
        named_hosts(fleet, ("gpu9",))
