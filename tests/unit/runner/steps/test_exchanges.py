"""Replicas that take one another's ports or GPUs: who waits for whom, and who goes as one."""

from __future__ import annotations

from itertools import permutations

import pytest

from rackwright.runner.steps.exchanges import with_exchanges
from rackwright.runner.steps.order import Pending, Way, startable

START, CHANGE, REMOVE = Way.START, Way.CHANGE, Way.REMOVE
CHAT, CODE, TALK = "chat-gpu1-0", "code-gpu1-0", "talk-gpu1-0"


def step(name: str, has: str, takes: str, way: Way = CHANGE, **more: bool) -> Pending:
    """On gpu1, of the service that its name says; a letter is a port or a GPU."""
    places = {"has": frozenset(has), "takes": frozenset(takes)}
    return Pending(name, name.split("-")[0], way, ("gpu1",), **places, **more)  # type: ignore[arg-type]


def beside(name: str, takes: str) -> list[Pending]:
    return [step(f"{name}-beside", "", takes, way) for way in (START, REMOVE)]


def waves(steps: list[Pending], at_once: int | None = None) -> list[list[str]]:
    """Those that run together, each wave ending as a whole; none meets what another has."""
    todo, found = with_exchanges(steps), []
    while todo:
        begun = startable(todo, [], at_once)
        found.append([one.name for one in begun])
        rest = [one for one in todo if one not in begun]
        for one in begun:
            others = [other for other in rest if other.way is CHANGE]
            assert not any(one.takes & other.has - other.takes for other in others), one.name
        todo = rest
    return found


@pytest.mark.parametrize("at_once", [None, 1])
def test_two_that_exchange_their_places_take_one_step(at_once: int | None) -> None:
    for told in permutations(
        [step(CHAT, "a8", "b8"), step(CODE, "b9", "a9"), step(TALK, "c", "c")]
    ):
        done = waves(list(told), at_once)
        assert sorted(next(wave for wave in done if CHAT in wave))[:2] == [CHAT, CODE]


def test_three_in_a_ring_take_one_step_and_who_only_waits_for_them_does_not() -> None:
    ring = [step(CHAT, "a", "b"), step(CODE, "b", "c"), step(TALK, "c", "a")]
    waits = step("long-gpu1-0", "d", "ab")
    found = {one.name: one.exchange for one in with_exchanges([*ring, waits])}
    assert found == {CHAT: {CHAT, CODE, TALK}, CODE: {CHAT, CODE, TALK}, TALK: {CHAT, CODE, TALK},
                     "long-gpu1-0": frozenset()}  # fmt: skip


@pytest.mark.parametrize("at_once", [None, 1])
def test_who_takes_what_another_leaves_comes_after_it(at_once: int | None) -> None:
    for told in permutations([step(CHAT, "a", "b"), step(CODE, "b", "c")]):
        assert waves(list(told), at_once) == [[CODE], [CHAT]]
    busy = with_exchanges([step(CODE, "b", "c")])
    assert startable([step(CHAT, "a", "b")], busy) == []


def test_within_a_service_too() -> None:
    steps = [step("chat-gpu1-0", "a", "b"), step("chat-gpu1-1", "b", "c")]
    assert waves(steps) == [["chat-gpu1-1"], ["chat-gpu1-0"]]
    steps = [step("chat-gpu1-0", "a", "b"), step("chat-gpu1-1", "b", "a")]
    assert [sorted(wave) for wave in waves(steps)] == [["chat-gpu1-0", "chat-gpu1-1"]]


@pytest.mark.parametrize("at_once", [None, 1])
def test_two_that_stand_in_never_start_on_the_same_spare_gpu(at_once: int | None) -> None:
    steps = [*beside(CHAT, "s"), step(CHAT, "a", "a"), *beside(CODE, "s"), step(CODE, "b", "b")]
    on_spare: set[str] = set()
    for wave in waves(steps, at_once):
        for name in wave:
            if name.endswith("-beside"):
                on_spare ^= {name}
        assert len(on_spare) <= 1
    chat, _, talk, *_ = with_exchanges(steps)
    assert startable([one for one in with_exchanges(steps) if one.beside], [chat]) == []
    assert talk.way is CHANGE


def test_nothing_stands_in_on_gpus_that_are_free_only_after_it() -> None:
    moves = [*beside(CHAT, "a"), step(CHAT, "a", "b")]
    assert [one.name for one in with_exchanges(moves)] == [CHAT]
    exchange = [*beside(CHAT, "b2"), step(CHAT, "a", "b"), step(CODE, "b2", "a")]
    assert [one.name for one in with_exchanges(exchange)] == [CHAT, CODE]


def test_of_two_that_exchange_one_has_the_spare_gpu_beside_it() -> None:
    steps = [*beside(CHAT, "s"), *beside(CODE, "s"), step(CHAT, "a", "b"), step(CODE, "b", "a")]
    copy = f"{CHAT}-beside"
    assert waves(steps) == [[copy], [CHAT, CODE], [copy]]


def test_one_that_does_not_serve_is_in_nobodys_way() -> None:
    """It is stopped by the step that needs its place."""
    dead = step(CODE, "b", "a", START)
    assert waves([dead, step(CHAT, "a", "b")]) == [[CHAT], [CODE]]
