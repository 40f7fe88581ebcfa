"""The steps of a run: in order, none after one that failed, and what is said of each server."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import HostError
from rackwright.runner.steps import taking
from rackwright.runner.steps.order import Way
from tests.samples.fleet import service
from tests.samples.rollouts import ALL, BESIDE, CHAT, FIRST, SECOND, Rolled, alone_with_spare


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Rolled:
    code = service(gpus={"gpu1": [1]}, served_model_name="code", tensor_parallel_size=1)
    return Rolled(monkeypatch, {"chat": CHAT, "code": code})


def test_all_are_done_in_order_then_what_no_unit_needs_goes(world: Rolled) -> None:
    assert world.run(FIRST, SECOND) == []
    assert world.log == ["change chat-gpu1-0", "change chat-gpu2-0", "last", "last"]


def test_none_is_touched_after_one_that_failed(world: Rolled) -> None:
    world.breaks = {"chat-gpu1-0"}
    assert world.run(FIRST, SECOND) == [
        "chat-gpu1-0 runs what it ran before",
        "chat-gpu2-0 was not touched: chat-gpu1-0 failed before it",
    ]
    assert world.log == ["change chat-gpu1-0"]
    assert "not touched" in world.lines[-1] and "failed" in world.lines[-1]


def test_a_fault_of_ours_stops_it_too(world: Rolled, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*words: Any, **more: Any) -> Any:
        raise KeyError("ours")

    monkeypatch.setattr(taking, "Step", broken)
    assert len(world.run(FIRST, SECOND)) == 2
    assert world.log == []


def test_others_in_the_same_run_are_not_left_half_done(world: Rolled) -> None:
    world.breaks = {"chat-gpu1-0"}
    world.run(FIRST, ("code-gpu1-0", Way.CHANGE), SECOND)
    assert set(world.log) == {"change chat-gpu1-0", "change code-gpu1-0"}


def test_with_one_beside_it_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    world = alone_with_spare(monkeypatch)
    assert world.run(*ALL) == []
    assert world.log[:3] == [f"start {BESIDE}", "change code-gpu1-0", f"remove {BESIDE}"]
    assert world.terms["code-gpu1-0"].hold_s == 0


@pytest.mark.parametrize(
    ("breaks", "log"),
    [
        (BESIDE, [f"start {BESIDE}", f"remove {BESIDE}"]),
        ("code-gpu1-0", [f"start {BESIDE}", "change code-gpu1-0", f"remove {BESIDE}"]),
    ],
)
def test_what_stood_in_goes_also_after_a_failure(
    breaks: str, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = alone_with_spare(monkeypatch)
    world.breaks = {breaks}
    assert world.run(*ALL)
    assert world.log == log


def test_gateways_know_the_key_of_the_plan_before_the_first_step(world: Rolled) -> None:
    world.run(FIRST, SECOND)
    assert world.learnt == [] and world.log[0] == "change chat-gpu1-0"


def test_where_a_gateway_does_not_learn_it_nothing_is_touched(world: Rolled) -> None:
    world.breaks.add("learn")
    with pytest.raises(HostError, match="gw1"):
        world.run(FIRST, SECOND)
    assert world.log == []
