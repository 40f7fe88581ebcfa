"""What leaves a server goes with all that was kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.desired.items import Change
from rackwright.desired.replicas import no_other_units
from rackwright.runner.steps import removal
from rackwright.runner.steps.step import Terms
from rackwright.runner.steps.view import View
from tests.samples.fleet import settings


def test_one_that_leaves_takes_its_way_back_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def answer(host: Any, script: str, request: dict[str, Any], **how: Any) -> dict[str, Any]:
        asked.append((script, request))
        return {}

    monkeypatch.setattr(removal, "call", answer)
    units = ["rackwright-old-gpu1-0.service", "rackwright-other-gpu1-0.service"]
    leaves = Change(no_other_units((), settings()), "left the plan", {"units": units})
    host = SimpleNamespace(name="gpu1")
    work: Any = SimpleNamespace(host=host, settings=settings(), unplanned=[leaves], planned=())
    removal.take_away("old-gpu1-0", work)
    (state, made), (turns, forgotten) = asked
    assert (state, turns) == ("state", "turns")
    assert made["items"][0]["keep"] == units[1:]
    assert (forgotten["do"], forgotten["replica"]) == ("forget", "old-gpu1-0")


def test_all_processes_of_one_that_spanned_servers_go(monkeypatch: pytest.MonkeyPatch) -> None:
    did: list[str] = []

    @contextmanager
    def turn(*words: Any) -> Iterator[Any]:
        yield SimpleNamespace(held=False, give_back=lambda: did.append("given back"))

    gates: Any = SimpleNamespace(turn=turn, take_out=lambda *names: did.append("out"))
    monkeypatch.setattr(removal, "take_away", lambda name, work: did.append(work))
    terms = Terms("me", 1.0, alone=False)
    works: Any = ["gpu1", "gpu2"]
    removal.remove("wide-gpu1-0", "wide", works, gates, View(lambda name, words: None), terms)
    assert did == ["out", "gpu1", "gpu2", "given back"]


def test_the_engine_says_too_when_it_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a router no gateway counts what it has."""
    did: list[str] = []

    @contextmanager
    def turn(*words: Any) -> Iterator[Any]:
        yield SimpleNamespace(held=("gw1",), in_flight=lambda: 0, give_back=lambda: None)

    left = [2, 1, 0]
    rank: Any = SimpleNamespace(running=lambda: did.append("asked") or left.pop(0))
    gates: Any = SimpleNamespace(
        turn=turn, take_out=lambda *names: did.append("out"), router_notices_s=lambda service: 8
    )
    monkeypatch.setattr(removal, "take_away", lambda name, work: did.append(work))
    monkeypatch.setattr(removal.gevent, "sleep", lambda seconds: None)
    view, terms = View(lambda name, words: None), Terms("me", 60, alone=False)
    works: Any = ["gpu1"]
    removal.remove("chat-gpu1-0-beside", "chat", works, gates, view, terms, [rank])
    assert did == ["asked"] * 3 + ["out", "gpu1"]
