"""The marks of a step: renewed while it goes on, and gone when it has ended."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent.event import Event

from rackwright.runner.steps import marks as module
from rackwright.runner.steps.marks import Marks
from rackwright.runner.steps.view import View


class Slow:
    """A server on which a mark is written some time after it was asked for."""

    def __init__(self, name: str) -> None:
        self.host = SimpleNamespace(name=name)
        self.replica = SimpleNamespace(name="chat-gpu1-0")
        self.mark: dict[str, Any] = {}
        self.asked = Event()
        self.waits: Event | None = None

    def note(self, stage: str, owner: str, timeout_s: int = 0) -> dict[str, Any]:
        self.asked.set()
        if self.waits:
            self.waits.wait()
        gevent.sleep(0)
        self.mark = {"owner": owner, "stage": stage}
        return {}

    def end(self, owner: str) -> None:
        self.mark = {}


def marks_of(monkeypatch: pytest.MonkeyPatch, *ranks: Slow) -> Marks:
    monkeypatch.setattr(module, "RENEW_EVERY_S", 0.001)
    return Marks(ranks, "me", View(lambda name, words: None))  # type: ignore[arg-type]


def test_a_renewal_on_its_way_does_not_outlive_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    rank = Slow("gpu1")
    marks = marks_of(monkeypatch, rank)
    with marks.renewed():
        rank.asked.wait()
        marks.end()
    assert rank.mark == {}


def test_a_silent_server_keeps_no_other_from_hearing(monkeypatch: pytest.MonkeyPatch) -> None:
    silent, other = Slow("gpu1"), Slow("gpu2")
    silent.waits = Event()
    marks = marks_of(monkeypatch, silent, other)
    with marks.renewed():
        assert other.asked.wait(60)
        silent.waits.set()
