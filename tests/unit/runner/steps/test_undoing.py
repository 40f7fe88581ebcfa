"""A step that failed: what ran before is put back, and what became of it is said."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import HostError
from rackwright.runner.steps.stages import Stage
from tests.samples.steps import FakeRank, World, left


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


def moved(**how: bool) -> World:
    """From gpu1 and gpu2 to gpu1 and gpu3."""
    world = World(ranks=3)
    world.former = [world.ranks.pop(1)]
    world.ranks[1].there = False
    for rank in world.ranks:
        rank.works["new"] = how["well"]
    return world


def test_one_that_changes_its_servers_is_put_back_to_those_it_had() -> None:
    world = moved(well=False)
    assert world.fails().startswith("chat-gpu1-0 runs what it ran before")
    first, third = world.ranks
    (second,) = world.former
    assert (first.runs, second.runs) == ("old", "old")
    assert not third.there and "gpu2 restore" in world.log and "gpu3 restore" not in world.log
    assert world.log.index("gpu3 taken away") < world.log.index("gpu1 restore")
    assert not any(rank.mark for rank in (first, second, third))


def test_no_process_of_it_starts_while_one_that_leaves_runs() -> None:
    world = moved(well=True)
    world.step().run()
    assert world.log.index("gpu2 stop") < world.log.index("gpu1 apply")
    assert world.former[0].kept == "old"


def test_of_a_dead_runs_move_what_it_came_to_goes_and_what_it_left_is_back() -> None:
    world = moved(well=False)
    for rank in (*world.ranks, *world.former):
        rank.mark = left(Stage.PROVE, changed=True)
    first, third = world.ranks
    first.runs, first.kept, third.runs, third.there = "new", "old", "new", True
    world.former[0].kept = "old"
    world.fails()
    assert first.runs == world.former[0].runs == "old" and not third.there


def test_what_is_not_proven_is_told_with_the_first_error_of_its_log() -> None:
    world = World()
    world.ranks[0].works["new"] = False
    words = world.fails()
    assert "First error in the log of chat-gpu1-0 on gpu1: ValueError: no" in words
    assert any(said.startswith("it is not proven: unit is CRITICAL") for said in world.said)


def test_a_log_that_cannot_be_read_hides_no_failed_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(rank: FakeRank) -> str:
        raise HostError("gpu1: no answer")

    monkeypatch.setattr(FakeRank, "error_in_log", silent)
    world = World()
    world.ranks[0].works["new"] = False
    assert "it is not proven: unit is CRITICAL" in world.fails()
