"""An hour of what is slow and not hung, in simulated time: nothing is restarted, nothing is out.

Each load keeps its engine as near to the limits as a sound one may be; the last tests show that the
same loads beyond them are found.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from rackwright.planning.watchdogs import MARGIN, UNCOUNTED_S
from rackwright.remote.guard import course as steps
from rackwright.remote.guard.signs import LOOK_S, Completion, Rules
from tests.samples.watched import RULES, Engine, Watch

HOUR_S = 3600
LONGEST_S = RULES.stall_s - 2 * LOOK_S
"""Of a prompt: all but what the plan explains, seen a look late at both its ends."""
Load = Callable[[Engine, random.Random], None]
"""What clients do between two looks."""


def one_after_another(engine: Engine, chance: random.Random) -> None:
    """Eight at a time, each as long as may be, one right after another."""
    while len(engine.prompts) < 8:
        engine.ask(LONGEST_S, 4)


def many_queued(engine: Engine, chance: random.Random) -> None:
    """Hundreds, each of ten minutes: the last waits for days."""
    while len(engine.prompts) < 300:
        engine.ask(600.0, 4)


def among_streams(engine: Engine, chance: random.Random) -> None:
    """Streams and long prompts; the engine is idle now and then."""
    if chance.random() < 0.05:
        engine.ask(chance.uniform(0, LONGEST_S), chance.uniform(0, 120))


def as_predicted(engine: Engine, chance: random.Random) -> None:
    """Now and then one as long as the plan predicts."""
    if chance.random() < 0.02:
        engine.ask(RULES.stall_s / MARGIN, 20)


def preempted(engine: Engine, chance: random.Random) -> None:
    """Two that do not fit together: each makes a token, is put aside and read all over again."""
    while len(engine.answers) < 2:
        engine.ask(LONGEST_S, 1e6)
    if not engine.prompts:
        engine.preempt(LONGEST_S)


def reset_now_and_then(engine: Engine, chance: random.Random) -> None:
    """The process that counts is started anew within the same unit."""
    one_after_another(engine, chance)
    if chance.random() < 0.02:
        engine.tokens = 0.0


def nothing(engine: Engine, chance: random.Random) -> None:
    """Nobody asks."""


def hour(watch: Watch, load: Load, **more: Any) -> Watch:
    """Looks come late as those of a busy server do."""
    chance = random.Random(7)
    end_s = watch.engine.now_s + HOUR_S
    while watch.engine.now_s < end_s:
        load(watch.engine, chance)
        watch.engine.pass_time(chance.choice((LOOK_S, LOOK_S, LOOK_S / 2)))
        watch.look(**more)
    return watch


def untouched(watch: Watch) -> bool:
    return watch.acts == [] and not {steps.OUT, steps.GIVEN_UP} & set(watch.states)


@pytest.mark.parametrize(
    ("engine", "load"),
    [
        (Engine(), one_after_another),
        (Engine(shows_chunks=True), one_after_another),
        (Engine(gauges_freeze=True, step_s=RULES.step_s / 2), one_after_another),
        (Engine(shows_chunks=True), many_queued),
        (Engine(), among_streams),
        (Engine(tokens=0.0), among_streams),
        (Engine(), preempted),
        (Engine(), reset_now_and_then),
        (Engine(stuck=1), nothing),
        (Engine(stuck=3), as_predicted),
        (Engine(shows_chunks=True, step_s=RULES.stall_s - 6, hides_in_steps=True), many_queued),
    ],
    ids=[
        "one-after-another",
        "chunks-are-seen",
        "told-once-a-step",
        "hundreds-queued",
        "among-streams",
        "first-token-of-a-start",
        "preempted",
        "counters-begin-anew",
        "idle-with-a-stuck-count",
        "busy-with-a-stuck-count",
        "llamacpp-figures-between-steps-alone",
    ],
)
def test_an_hour_restarts_nothing(engine: Engine, load: Load) -> None:
    watch = hour(Watch(engine), load)
    assert untouched(watch), watch.said
    assert watch.engine.tokens > 0 or load is many_queued, "it was at work"


def test_a_stuck_count_is_known_before_a_long_prompt_comes_on_top_of_it() -> None:
    """Whenever it comes: what stood still before is none of its time."""
    rules = RULES._replace(stall_s=240.0)
    for idle_s in range(200, 480, 4):
        watch = Watch(Engine(stuck=1), rules)
        watch.go_on(idle_s)
        watch.engine.ask(rules.stall_s / MARGIN, 4)
        watch.go_on(rules.stall_s)
        assert untouched(watch), idle_s


def test_a_completion_that_is_lost_in_a_long_queue_is_no_sign() -> None:
    """It waited for minutes, in which others were served."""
    watch = Watch(Engine(), RULES._replace(stall_s=180.0))
    watch.engine.ask(150.0, 4)
    watch.go_on(120, completion=None)
    assert watch.course.signs.asked_s is not None
    for _ in range(8):
        watch.engine.ask(150.0, 4)
    watch.go_on(300, completion=None)
    watch.engine.pass_time(LOOK_S)
    watch.look(completion=Completion(False, "TimeoutError: timed out"))
    watch.go_on(100, completion=None)
    assert set(watch.states) == {"well"}


def test_an_hour_of_a_queue_of_an_engine_without_figures_restarts_nothing() -> None:
    """Ollama: the watchdog's own completion waits behind long answers, half an hour at most."""
    chance = random.Random(7)
    watch = Watch(Engine(), Rules(UNCOUNTED_S, 600.0, counts=False, restarts_an_hour=3))
    due_s: float | None = None
    waits_s: list[float] = []
    for _ in range(int(4 * HOUR_S / LOOK_S)):
        watch.engine.now_s += LOOK_S
        found: Completion | None = None
        if due_s is not None and watch.engine.now_s >= due_s:
            due_s, found = None, Completion(True)
        look = watch.look(requests=None, tokens=None, work=None, completion=found)
        if steps.ASK in look:
            waits_s.append(chance.uniform(0, UNCOUNTED_S - 2 * LOOK_S))
            due_s = watch.engine.now_s + waits_s[-1]
    assert untouched(watch) and max(waits_s) > UNCOUNTED_S / 2


@pytest.mark.parametrize(
    ("engine", "load"),
    [(Engine(), one_after_another), (Engine(), preempted), (Engine(stuck=1), nothing)],
    ids=["one-after-another", "preempted", "idle-with-a-stuck-count"],
)
def test_the_same_is_found_where_it_gets_nothing_done(engine: Engine, load: Load) -> None:
    """So an hour without a restart is no hour in which none could be."""
    watch = Watch(engine)
    for _ in range(30):
        load(engine, random.Random(7))
        engine.pass_time(LOOK_S)
        watch.look()
    assert untouched(watch)
    engine.hangs = True
    watch.go_on(RULES.stall_s + 20)
    assert len(watch.acts) == 1


def test_prompts_twice_as_long_as_the_plan_explains_are_taken_for_a_hang() -> None:
    """Where nothing of them is seen: there is no other sign."""

    def too_long(engine: Engine, chance: random.Random) -> None:
        while len(engine.prompts) < 8:
            engine.ask(2 * RULES.stall_s, 4)

    assert hour(Watch(Engine()), too_long).acts
