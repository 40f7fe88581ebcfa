"""What leaves a server goes with all that was kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.runner.steps import draining, removal
from rackwright.runner.steps.terms import Terms
from rackwright.runner.steps.view import View
from tests.samples.fleet import settings


@pytest.mark.parametrize("planned", [False, True], ids=["left the plan", "was never proven here"])
def test_one_that_leaves_takes_its_way_back_with_it_and_no_other_unit(
    planned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else is there: a rollout of one service looks at no other unit that left."""
    asked: list[tuple[str, dict[str, Any]]] = []

    def answer(host: Any, script: str, request: dict[str, Any], **how: Any) -> dict[str, Any]:
        asked.append((script, request))
        return {}

    there: dict[str, Any] = dict.fromkeys(("old-gpu1-0", "other-gpu1-0", "chat-gpu1-0"))
    monkeypatch.setattr(removal, "call", answer)
    monkeypatch.setattr(removal, "held_on", lambda work: there)
    names = ("chat-gpu1-0", *(("old-gpu1-0",) if planned else ()))
    replicas = tuple(SimpleNamespace(name=name) for name in names)
    host = SimpleNamespace(name="gpu1")
    work: Any = SimpleNamespace(host=host, settings=settings(), unplanned=[], planned=replicas)
    removal.take_away("old-gpu1-0", work)
    (state, made), (turns, forgotten) = asked
    assert (state, turns) == ("state", "turns")
    kept = ["rackwright-other-gpu1-0.service", "rackwright-chat-gpu1-0.service"]
    assert made["items"][0]["keep"] == kept
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
    monkeypatch.setattr(draining.gevent, "sleep", lambda seconds: None)
    view, terms = View(lambda name, words: None), Terms("me", 60, alone=False)
    works: Any = ["gpu1"]
    removal.remove("chat-gpu1-0-beside", "chat", works, gates, view, terms, [rank])
    assert did == ["asked"] * 3 + ["out", "gpu1"]
