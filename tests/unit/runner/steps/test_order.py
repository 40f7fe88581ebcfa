"""Which steps may begin: never two of a service, nothing before what makes room for it."""

from __future__ import annotations

from itertools import permutations

import pytest

from rackwright.runner.steps.order import Pending, Way, startable

START, CHANGE, REMOVE = Way.START, Way.CHANGE, Way.REMOVE


def step(name: str, way: Way = CHANGE, **more: object) -> Pending:
    """``chat-gpu1-0``: of the service and on the server that its name says."""
    service, host, _ = name.removesuffix("-beside").split("-")
    return Pending(name, service, way, (host,), **more)  # type: ignore[arg-type]


def in_turn(steps: list[Pending], at_once: int | None = None) -> list[list[str]]:
    """The names that run together, wave by wave, each wave ending as a whole."""
    todo, waves = list(steps), []
    while todo:
        begun = startable(todo, [], at_once)
        assert begun, f"nothing may begin of {[one.name for one in todo]}"
        waves.append([one.name for one in begun])
        todo = [one for one in todo if one not in begun]
    return waves


def test_two_replicas_of_a_service_are_never_out_at_once() -> None:
    steps = [step("chat-gpu1-0"), step("chat-gpu2-0"), step("code-gpu3-0")]
    assert in_turn(steps) == [["chat-gpu1-0", "code-gpu3-0"], ["chat-gpu2-0"]]
    assert startable([step("chat-gpu2-0")], [step("chat-gpu1-0")]) == []


def test_a_service_that_wants_it_is_changed_at_once() -> None:
    steps = [step("chat-gpu1-0", together=True), step("chat-gpu2-0", together=True)]
    assert in_turn(steps) == [["chat-gpu1-0", "chat-gpu2-0"]]


def test_no_more_than_asked_for_at_once() -> None:
    steps = [step(f"{service}-gpu{n}-0") for n, service in enumerate(["a", "b", "c"], 1)]
    assert in_turn(steps, 2) == [["a-gpu1-0", "b-gpu2-0"], ["c-gpu3-0"]]
    assert startable(steps[1:], steps[:1], 1) == []


def test_one_that_is_out_already_goes_first() -> None:
    steps = [step("chat-gpu1-0"), step("chat-gpu2-0", out=True)]
    assert in_turn(steps) == [["chat-gpu2-0"], ["chat-gpu1-0"]]


def test_what_comes_goes_before_what_leaves_elsewhere() -> None:
    steps = [step("chat-gpu1-0", REMOVE), step("chat-gpu2-0", START)]
    assert in_turn(steps) == [["chat-gpu2-0"], ["chat-gpu1-0"]]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (step("chat-gpu1-1", REMOVE), step("chat-gpu1-0", CHANGE)),  # one on two GPUs, for two
        (step("chat-gpu1-0", CHANGE), step("chat-gpu1-1", START)),  # two on a GPU each, for one
        (step("code-gpu1-0", REMOVE), step("chat-gpu1-0", START)),  # another service
    ],
    ids=["two become one", "one becomes two", "another service"],
)
def test_what_makes_room_on_a_server_goes_first(first: Pending, then: Pending) -> None:
    assert in_turn([then, first]) == [[first.name], [then.name]]
    assert startable([then], [first]) == []


def test_what_stands_in_comes_first_and_goes_last() -> None:
    beside = "chat-gpu1-0-beside"
    steps = [step(beside, REMOVE), step("chat-gpu1-0"), step(beside, START)]
    assert in_turn(steps) == [[beside], ["chat-gpu1-0"], [beside]]


def test_whatever_there_is_to_do_is_done() -> None:
    """Two services change places, and a third shrinks: in any order of telling it ends."""
    steps = [
        step("a-gpu1-0", REMOVE), step("a-gpu2-0", START), step("b-gpu2-0", REMOVE),
        step("b-gpu1-0", START), step("c-gpu1-0", CHANGE), step("c-gpu1-1", REMOVE),
    ]  # fmt: skip
    for told in permutations(steps):
        done = [name for wave in in_turn(list(told)) for name in wave]
        assert sorted(done) == sorted(one.name for one in steps)
        for wave in in_turn(list(told)):
            assert len({name[0] for name in wave}) == len(wave)


def test_what_stands_in_waits_for_what_leaves_the_gpus_that_are_spare() -> None:
    beside = "chat-gpu1-0-beside"
    steps = [step(beside, REMOVE), step("chat-gpu1-0"), step(beside, START)]
    leaves = step("code-gpu1-0", REMOVE)
    assert in_turn([*steps, leaves]) == [["code-gpu1-0"], [beside], ["chat-gpu1-0"], [beside]]
    assert startable(steps, [leaves]) == []
