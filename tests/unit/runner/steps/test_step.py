"""A step's way: what is done on servers and at gateways, stage by stage."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.runner.steps import draining
from rackwright.runner.steps.changing import anew, as_before
from rackwright.runner.steps.stages import Stage
from tests.samples.steps import World, dead, left


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gevent.sleep", lambda seconds: None)


def test_it_is_out_while_it_is_changed_and_in_once_it_is_proven() -> None:
    world = World()
    world.step().run()
    assert world.log == [
        "gpu1 preflight", "gates out", "gpu1 wait", "gates renewed", "gpu1 change", "gpu1 apply",
        "gpu1 start", "gpu1 prove", "gates entry", "gpu1 return", "gates in", "gpu1 ended",
    ]  # fmt: skip
    assert world.ranks[0].kept == "old"
    assert world.gates.wanted.alone and world.gates.wanted.why == "rollout: drained"


def test_its_requests_are_waited_for_by_gateways_and_engine() -> None:
    world = World(left=[3, 1, 0])
    world.ranks[0].in_flight = [3, 2, 1, 0]
    world.step().run()
    waited = [words for words in world.said if "in flight" in words]
    assert waited == [f"{n} request{'s' * (n > 1)} in flight" for n in (3, 2, 1)]


def test_what_does_not_end_in_time_is_left_to_the_engine() -> None:
    world = World(left=[1, 1])
    world.step(drain_timeout_s=-1).run()
    assert any("have not ended in" in words for words in world.said)


def test_all_processes_end_before_one_starts() -> None:
    world = World(ranks=2)
    world.step().run()
    done = [words for words in world.log if words.split()[1] in ("stop", "apply", "start")]
    assert done[:4] == ["gpu1 stop", "gpu2 stop", "gpu1 apply", "gpu2 apply"]


def test_one_that_did_not_serve_may_be_mended() -> None:
    world = World()
    world.ranks[0].works["old"] = False
    world.step().run()
    assert world.log[-2:] == ["gates in", "gpu1 ended"]


@pytest.mark.parametrize(
    "gates",
    [{"refuses": "gw1: chat-gpu2-0 is out"}, {"lost": True}],
    ids=["refused", "lost while it waited"],
)
def test_nothing_is_changed_without_the_turn(gates: dict[str, Any]) -> None:
    world = World(**gates)
    assert world.fails().startswith("chat-gpu1-0 was not changed: gw1: ")
    assert world.ranks[0].runs == "old" and not world.ranks[0].mark
    assert "gpu1 apply" not in world.log


def test_a_server_that_goes_silent_before_the_change_loses_nothing() -> None:
    world = World()
    world.ranks[0].died = Stage.WAIT
    assert world.fails() == "chat-gpu1-0 was not changed: gpu1: no answer"
    assert world.log[-1] == "gpu1 ended" and "gates to be proven" in world.log


def test_what_a_killed_run_changed_stays_marked_where_it_is_not_reached_again() -> None:
    world = World(refuses="gw1: not reached")
    world.ranks[0].mark = left(Stage.START, changed=True)
    world.fails()
    assert world.ranks[0].mark["changed"]


def test_a_dead_runs_step_is_gone_on_with_by_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under its own name: else the next to come would take that for the dead one's too."""
    dead(monkeypatch, "ops@desk/9/x")
    world = World()
    world.ranks[0].held = left(Stage.WAIT, changed=False)
    owners: list[Any] = []

    def change(ranks: Any) -> None:
        owners.append(world.ranks[0].held["owner"])

    world.step(change).run()
    assert owners == [world.gates.wanted.owner] == ["me@desk/1/ab"]


def test_two_runs_cannot_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    dead(monkeypatch)
    world = World()
    world.ranks[0].held = left(Stage.WAIT, changed=False)
    assert "ops@desk/9/x is changing chat-gpu1-0" in world.fails()
    assert world.log == []


def test_a_new_start_keeps_no_way_back_and_is_proven_as_before() -> None:
    world = World()
    world.step(anew, as_before=True).run()
    assert "gpu1 restart" in world.log and world.ranks[0].kept == ""
    assert world.log[-2:] == ["gates in", "gpu1 ended"]


def test_a_new_start_of_one_that_did_not_serve_is_proven_by_the_gateways() -> None:
    world = World()
    world.ranks[0].works["old"] = False
    world.step(anew, as_before=True).run()
    assert "gates to be proven" in world.log and "gates in" not in world.log


def test_what_was_never_proven_is_not_started_anew() -> None:
    world = World()
    world.ranks[0].mark = left(Stage.START, changed=True)
    assert "deploy, or roll out" in world.fails(change=anew, as_before=True)
    assert world.ranks[0].mark["changed"]


def test_a_rollback_puts_back_what_was_kept_and_keeps_what_ran() -> None:
    world = World()
    rank = world.ranks[0]
    rank.runs, rank.kept = "new", "old"
    world.step(as_before, back=world.ranks).run()
    assert (rank.runs, rank.kept) == ("old", "new")
    assert "gates to be proven" in world.log


def test_what_cannot_be_kept_is_not_changed_and_nothing_older_is_put_back() -> None:
    world = World()
    world.ranks[0].keeps = False
    assert world.fails() == "chat-gpu1-0 was not changed: gpu1: No space left on device"
    assert world.ranks[0].runs == "old" and not world.ranks[0].mark
    assert not {"gpu1 apply", "gpu1 restore"} & {*world.log}


def test_the_operator_is_told_where_no_gateway_drains_it() -> None:
    world = World(held=())
    world.step().run()
    assert any(words.startswith("no gateway drains it: none runs") for words in world.said)


def test_what_a_router_had_chosen_is_awaited_before_the_engine_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(draining.gevent, "sleep", slept.append)
    world = World(notices_s=8)
    world.ranks[0].in_flight = [2, 0]
    world.step().run()
    assert slept == [draining.POLL_S] * 2, "one before it is asked, one for what it has"


def test_behind_a_router_nobody_waits_for_idleness_and_the_next_waits_for_the_router(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("gevent.sleep", slept.append)
    world = World(held=(), notices_s=8)
    world.ranks[0].in_flight = [4] * 9
    world.step().run()
    assert slept == [8]
    assert any("its service's router goes on sending" in words for words in world.said)


@pytest.mark.parametrize("marked", [[0], [1], [0, 1]], ids=str)
def test_a_dead_runs_step_is_gone_on_with_on_all_servers(
    marked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    dead(monkeypatch, "ops@desk/9/x", "ops@desk/8/w")
    world = World(ranks=2)
    for number in marked:
        owner = ("ops@desk/9/x", "ops@desk/8/w")[number]
        world.ranks[number].held = left(Stage.WAIT, changed=False, owner=owner)
    world.step().run()
    assert [rank.held for rank in world.ranks] == [{}, {}]


def test_gateways_are_told_of_the_key_that_runs_and_of_that_which_is_put_back() -> None:
    world = World()
    world.step().run()
    assert world.gates.key_ids == ["of new"]
    world = World()
    world.ranks[0].runs, world.ranks[0].kept = "new", "old"
    world.step(as_before, back=world.ranks).run()
    assert world.gates.key_ids == ["of old"]


def exchanging() -> World:
    """chat and code of gpu1, each on the other's GPU after it."""
    world = World(ranks=2)
    world.ranks[1].host, world.ranks[1].name = world.ranks[0].host, "code-gpu1-0"
    return world


def test_those_that_exchange_their_places_are_all_out_and_stopped_before_one_is_changed() -> None:
    world = exchanging()
    world.step().run()
    acts = ["gates out", "gpu1 stop", "gpu1 apply", "gates entry", "gates in"]
    assert [word for word in world.log if word in acts] == [act for act in acts for _ in (1, 2)]
    assert [rank.runs for rank in world.ranks] == ["new", "new"]
    assert not any(rank.mark for rank in world.ranks)


@pytest.mark.parametrize("number", [0, 1])
def test_where_one_of_them_is_not_proven_both_are_put_back(number: int) -> None:
    world = exchanging()
    world.ranks[number].works["new"] = False
    assert world.fails().startswith("chat-gpu1-0 and code-gpu1-0 ")
    assert [rank.runs for rank in world.ranks] == ["old", "old"]
    assert world.log.count("gates to be proven") == 2
    last_stop = max(n for n, word in enumerate(world.log) if word == "gpu1 stop")
    assert last_stop < world.log.index("gpu1 restore")


def test_one_of_them_that_never_served_does_not_keep_the_other_from_going_back() -> None:
    world = exchanging()
    world.ranks[1].works = {"old": False, "new": False}
    world.fails()
    assert [rank.runs for rank in world.ranks] == ["old", "old"]


def test_what_was_never_proven_stays_marked_where_another_server_is_somebody_elses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dead(monkeypatch)
    world = World(ranks=2)
    world.ranks[0].mark = left(Stage.PROVE, changed=True)
    world.ranks[1].held = left(Stage.WAIT, changed=False)
    assert "is changing chat-gpu1-0" in world.fails()
    assert world.ranks[0].mark["changed"]
