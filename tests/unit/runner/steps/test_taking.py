"""How a step of a run is taken: on what terms, with what beside it, watched or not."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner.gateway_leases import ReplicaState
from rackwright.runner.steps import canary_watch, taking
from rackwright.runner.steps.options import Options, asked_for
from rackwright.runner.steps.order import Pending, Way
from rackwright.runner.steps.stages import Stage
from rackwright.runner.steps.view import View
from tests.samples.fleet import cluster, hosts, service, settings
from tests.samples.rollouts import ALL, BESIDE, CHAT, FIRST, SECOND, Rolled, alone_with_spare


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Rolled:
    code = service(gpus={"gpu1": [1]}, served_model_name="code", tensor_parallel_size=1)
    return Rolled(monkeypatch, {"chat": CHAT, "code": code})


def test_who_has_another_to_go_to_waits_for_nobody(world: Rolled) -> None:
    world.run(FIRST)
    terms = world.terms["chat-gpu1-0"]
    assert (terms.alone, terms.hold_s) == (True, 0)


def test_the_only_replica_is_told_of_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Rolled(monkeypatch, {"chat": service(tensor_parallel_size=2)})
    world.run(FIRST)
    assert world.terms["chat-gpu1-0"].hold_s == 90
    assert any("about 40 s" in words for words in world.lines)


def test_what_a_dead_run_left_beside_is_drained_before_it_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = alone_with_spare(monkeypatch)
    world.taking.works["gpu1"].leaving.append(BESIDE)
    world.run(*ALL)
    assert world.log[:2] == [f"remove {BESIDE}", f"start {BESIDE}"]


def test_what_a_proven_replica_compiled_is_kept_before_the_next_is_changed(world: Rolled) -> None:
    world.breaks.add("chat-gpu2-0")
    world.run(FIRST, SECOND)
    assert world.seeds == ["chat-gpu1-0 after change chat-gpu1-0"]


def test_what_is_started_alone_is_kept_when_verify_has_proven_it(world: Rolled) -> None:
    world.run(("chat-gpu1-0", Way.START))
    assert world.started == {"gpu1": {"chat-gpu1-0"}}
    assert not world.seeds


def failing(count: int) -> dict[str, Any]:
    replicas = {
        "chat-gpu1-0": {"state": "in", "requests": 10 + count, "failures": count},
        "chat-gpu2-0": {"state": "in", "requests": 10, "failures": 0},
    }
    return {"gw1": {"services": {"chat": {"replicas": replicas}}}}


def watched(world: Rolled, monkeypatch: pytest.MonkeyPatch, failures: list[int]) -> list[str]:
    """A rollout with a canary, of which gateways count so many failures, look by look."""
    looks = iter(failures)
    last = failures[-1]
    world.gates(lambda: failing(next(looks, last)))
    monkeypatch.setattr("gevent.sleep", lambda seconds: None)
    now = iter(range(0, 10_000, 20))
    monkeypatch.setattr("time.monotonic", lambda: float(next(now)))
    world.taking.watched = False
    with asked_for(Options(canary=True)):
        return world.run(FIRST, SECOND)


def test_a_canary_that_does_well_is_followed(
    world: Rolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watched(world, monkeypatch, [0]) == []
    assert world.log[:2] == ["change chat-gpu1-0", "change chat-gpu2-0"]


def test_a_canary_that_is_worse_is_put_back_and_nothing_else_is_touched(
    world: Rolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = watched(world, monkeypatch, [0, 0, 0, 5])
    assert "was worse than the others and runs what it ran before: 5 of its 5 requests" in first
    assert second.startswith("chat-gpu2-0 was not touched")
    assert world.log == ["change chat-gpu1-0", "back chat-gpu1-0"]


def test_a_canary_on_two_servers_is_none_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"tensor_parallel_size": 8, "pipeline_parallel_size": 2}
    long = service("llama-3.1-405b-instruct", servers=["gpu1", "gpu2"], **sizes)
    spec = load_fleet(hosts(cluster(2), {"chat": long}))
    fleet: Any = SimpleNamespace(plan=plan(spec), spec=spec, settings=lambda name: settings())
    own: Any = SimpleNamespace(get_host=lambda name: SimpleNamespace(log=lambda words: None))
    one = Pending("chat-gpu1-0", "chat", Way.CHANGE, ("gpu1", "gpu2"))
    gates: Any = SimpleNamespace(states=dict)
    took = taking.Taking(fleet, own, gates, View(lambda *said: None), own, pending=[one])
    monkeypatch.setattr("gevent.sleep", lambda seconds: None)
    now = iter(range(0, 10_000, 20))
    monkeypatch.setattr("time.monotonic", lambda: float(next(now)))
    beside: list[Any] = []
    monkeypatch.setattr(canary_watch.canary, "fault", lambda *words: beside.append(words[3]) or "")
    canary_watch.watch(took, [one], (), {})
    assert beside and not any(beside)


def exchanging(world: Rolled) -> list[str]:
    """The faults of a run in which chat and code of gpu1 take each other's GPU."""
    names = frozenset({"chat-gpu1-0", "code-gpu1-0"})
    places = {"chat-gpu1-0": ("a", "b"), "code-gpu1-0": ("b", "a")}
    world.place = lambda one: replace(
        one,
        has=frozenset(places.get(one.name, "-")[0]),
        takes=frozenset(places.get(one.name, "-")[-1]),
    )
    faults = world.run(FIRST, ("code-gpu1-0", Way.CHANGE), SECOND)
    assert names <= {one.name for one in world.taking.pending if one.exchange} or not world.log
    return faults


def test_two_that_exchange_their_gpus_are_one_step_on_each_ones_terms(world: Rolled) -> None:
    assert exchanging(world) == []
    assert world.log[:2] == ["change chat-gpu1-0 and code-gpu1-0", "change chat-gpu2-0"]
    chat, code = world.terms["chat-gpu1-0"], world.terms["code-gpu1-0"]
    assert (chat.alone, chat.hold_s) == (True, 0)
    assert (code.alone, code.hold_s) == (True, 90)  # its only replica: told, and waited for
    assert any("they are out together" in words for words in world.lines)
    assert any("code has no other replica" in words for words in world.lines)


def test_where_both_fail_both_are_said(world: Rolled) -> None:
    world.breaks = {"chat-gpu1-0 and code-gpu1-0"}
    first, second, third = exchanging(world)
    assert first == second == "chat-gpu1-0 and code-gpu1-0 runs what it ran before"
    assert third == "chat-gpu2-0 was not touched: chat-gpu1-0, code-gpu1-0 failed before it"


def test_no_service_loses_all_of_its_replicas_by_an_exchange(
    world: Rolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {
        "chat-gpu1-0": ReplicaState("chat", "in", 0, {}),
        "chat-gpu2-0": ReplicaState("chat", "ejected", 0, {}),
    }
    monkeypatch.setattr(taking, "states_at_gateways", lambda *_: {"gw1": others})
    assert "were not touched: chat would have no replica in at gw1" in exchanging(world)[0]
    assert world.log == []


def test_what_is_in_its_place_and_serves_nobody_is_stopped_first(world: Rolled) -> None:
    has, takes = frozenset("b"), frozenset("b")
    dead = Pending("code-gpu1-0", "code", Way.START, ("gpu1",), has=has)
    one = Pending("chat-gpu1-0", "chat", Way.CHANGE, ("gpu1",), takes=takes)
    world.taking.pending += [dead, one]
    world.taking._clear(one)
    assert world.log == ["stop code-gpu1-0"]
    world.rollout.view.enter("code-gpu1-0", Stage.START)
    world.taking._clear(one)
    assert world.log == ["stop code-gpu1-0"]


def test_gateways_know_one_that_died_as_planned_before_it_is_started(
    world: Rolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(taking, "put_as_planned", lambda *_: told.append(f"put {world.log}"))
    world.place = lambda one: replace(one, has=frozenset("b" if one.name in FIRST else ""))
    world.run(("chat-gpu1-0", Way.START), ("chat-gpu2-0", Way.START))
    assert told == ["put []"] and world.log[:2] == ["start chat-gpu1-0", "start chat-gpu2-0"]


def test_the_only_replica_that_leaves_before_another_can_come_is_told_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that spanned gpu1 and gpu2, and is to span gpu2 and gpu3: no two ranks on gpu2."""
    world = Rolled(monkeypatch, {"chat": {**CHAT, "servers": ["gpu2"], "gpus": {"gpu2": [0]}}})
    old, new = ("chat-gpu1-0", Way.REMOVE), ("chat-gpu2-0", Way.START)
    monkeypatch.setattr(world, "one", lambda name, way: Pending(name, "chat", way, ("gpu2",)))
    world.run(new, old)
    assert world.log[:2] == ["remove chat-gpu1-0", "start chat-gpu2-0"]
    assert any("chat has no other replica, and will be away until chat-gpu2-0 runs" in words
               for words in world.lines)  # fmt: skip
    other = Rolled(monkeypatch, {"chat": CHAT})
    other.run(("chat-gpu1-0", Way.START), ("chat-gpu3-0", Way.REMOVE))
    assert not any("will be away" in words for words in other.lines)


def test_what_a_replica_leaves_goes_once_it_is_proven_elsewhere(
    world: Rolled, monkeypatch: pytest.MonkeyPatch
) -> None:
    def took(name: str, work: Any) -> None:
        world.log.append(f"take away {name} on {work.host.name}")

    monkeypatch.setattr(taking, "take_away", took)
    world.taking.works["gpu2"].leaving.append("chat-gpu1-0")
    one = Pending("chat-gpu1-0", "chat", Way.CHANGE, ("gpu1", "gpu2"))
    monkeypatch.setattr(world, "one", lambda name, way: one)
    world.run(FIRST)
    assert world.log[:2] == ["change chat-gpu1-0", "take away chat-gpu1-0 on gpu2"]
    assert [rank.host.name for rank in world.former] == ["gpu2"]
    world.log.clear()
    world.breaks = {"chat-gpu1-0"}
    for name in ("gpu1", "gpu2"):
        world.rollout.add(world.work(name))
    world.taking.works["gpu2"].leaving.append("chat-gpu1-0")
    world.run(FIRST)
    assert world.log == ["change chat-gpu1-0"]
