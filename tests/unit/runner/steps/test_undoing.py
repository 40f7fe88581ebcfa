"""A step that failed: what ran before is put back, and what became of it is said."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.runner.steps.stages import Stage
from tests.samples.steps import World, left


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gevent.sleep", lambda seconds: None)


@pytest.mark.parametrize("fault", ["start", "proof"])
def test_what_fails_is_put_back_and_proven_by_the_gateways(fault: str) -> None:
    world = World()
    world.ranks[0].starts = fault != "start"
    world.ranks[0].works["new"] = fault != "proof"
    words = world.fails()
    assert words.startswith("chat-gpu1-0 runs what it ran before: what is planned failed")
    assert ("unrecognized arguments" in words) == (fault == "start")
    assert ("completion is CRITICAL" in words) == (fault == "proof")
    assert world.ranks[0].runs == "old"
    assert world.log[-4:] == ["gpu1 undo", "gpu1 restore", "gpu1 ended", "gates to be proven"]


def test_what_cannot_be_put_back_is_said_and_its_mark_stays() -> None:
    world = World()
    world.ranks[0].starts, world.ranks[0].died = False, Stage.UNDO
    words = world.fails()
    assert "could not be put back: gpu1: no answer" in words
    assert world.ranks[0].mark["changed"] and world.log[-1] == "gates to be proven"


def test_there_is_nothing_to_put_back_of_one_that_did_not_serve() -> None:
    world = World()
    world.ranks[0].works = {"old": False, "new": False}
    assert "does not work, and did not before: it is left as planned" in world.fails()
    assert world.ranks[0].kept == "" and world.ranks[0].runs == "new" and not world.ranks[0].mark


def test_what_a_killed_run_changed_is_never_kept_as_proven() -> None:
    world = World()
    rank = world.ranks[0]
    rank.runs, rank.kept, rank.mark = "new", "old", left(Stage.PROVE, changed=True)
    rank.works["new"] = False
    world.fails()
    assert rank.runs == "old" and not rank.mark
    assert rank.asked_at["port"] == 8000  # where it listens once it is put back
    assert world.log[-3:] == ["gates entry", "gpu1 ended", "gates to be proven"]


def test_a_new_start_that_fails_puts_nothing_back() -> None:
    world = World()

    def breaks(ranks: Any) -> None:
        world.ranks[0].works["old"] = False

    assert "was started anew and does not work as before" in world.fails(
        change=breaks, as_before=True
    )
    assert "gpu1 restore" not in world.log and world.log[-1] == "gates to be proven"
