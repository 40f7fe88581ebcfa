"""A change of who may come in: tried, confirmed over a new connection, and kept or told."""

from __future__ import annotations

from typing import Any

import pytest
from pyinfra.api.exceptions import ConnectError

from rackwright.runner import firewall

REQUEST = {"file": "/f", "ruleset": "r", "unit": "u", "confirm_s": 60}


class Clock:
    """Time that passes while nothing is waited for."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FakeHost:
    """A host whose new connections come through from a time on."""

    name = "gpu1"

    def __init__(self, clock: Clock, open_from_s: float) -> None:
        self.clock, self.open_from_s, self.connector = clock, open_from_s, self
        self.connections = 0

    def connect(self) -> None:
        self.clock.now += 5
        if self.clock.now < self.open_from_s:
            raise ConnectError("timed out")
        self.connections += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(firewall, "time", clock)
    return clock


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the host was asked to do, each well; and what was said of a failure."""
    done: list[str] = []

    def call(host: Any, script: str, request: dict[str, Any], **_: Any) -> dict[str, str]:
        done.append(request["do"])
        return {}

    def fail(host: Any, message: str, what: str = "", remedy: str = "") -> bool:
        done.append(message)
        return False

    monkeypatch.setattr(firewall, "call", call)
    monkeypatch.setattr(firewall, "fail", fail)
    return done


def load(host: Any) -> bool:
    return firewall._load(None, host, REQUEST)


def test_it_is_kept_over_a_new_connection(clock: Clock, done: list[str]) -> None:
    host = FakeHost(clock, 0)
    assert load(host)
    assert (done, host.connections) == (["try", "keep"], 1)


def test_a_connection_that_is_slow_to_come_is_waited_for(clock: Clock, done: list[str]) -> None:
    assert load(FakeHost(clock, 40))
    assert done == ["try", "keep"]


def test_without_one_nothing_is_kept_and_it_is_said(clock: Clock, done: list[str]) -> None:
    assert not load(FakeHost(clock, 62))
    assert done[0] == "try" and "keep" not in done
    assert "no new connection came through the new firewall (timed out): it was not kept" in done[1]
    assert "it is reached again" in done[1]


def test_a_host_that_does_not_come_back_is_said(clock: Clock, done: list[str]) -> None:
    assert not load(FakeHost(clock, 1e9))
    assert "it is not reached: see its console (timed out)" in done[1]
    assert clock.now < 60 + 2 * firewall.BACK_S


def test_what_the_host_refuses_is_not_waited_for(
    clock: Clock, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(firewall, "call", lambda *_, **__: {"error": "nft: syntax error"})
    host = FakeHost(clock, 0)
    assert not load(host)
    assert (done, host.connections) == (["firewall: nft: syntax error"], 0)
