"""The watchdog's decisions, over hours of simulated time: what is hung is found, nothing else."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rackwright.remote.guard import course as steps
from rackwright.remote.guard.course import Peer, Peers
from rackwright.remote.guard.signs import (
    CANARY_S,
    COLD_S,
    LOOK_S,
    SELDOM_S,
    SILENT_S,
    UNTOLD_S,
    Completion,
    Rules,
)
from tests.samples.watched import RULES, Engine, Fleet, Watch

BAR_S = 28.0
"""Out of traffic within 30 s: gateways ask every two."""
HOUR_S = 3600


def busy() -> Watch:
    """One that has answered requests for a minute, and has some."""
    engine = Engine()
    engine.ask(1, 100_000)
    watch = Watch(engine)
    watch.go_on(60)
    assert watch.states == ["well"]
    return watch


# --- what hangs ----------------------------------------------------------------------------------


def test_one_that_is_stopped_is_out_in_time_restarted_and_back() -> None:
    watch = busy()
    stopped_s = watch.engine.now_s
    watch.engine.stopped = True
    watch.go_on(120)
    assert watch.states == ["well", "suspected", "out", "restarting", "well"]
    assert SILENT_S <= watch.since("out") - stopped_s <= BAR_S
    assert len(watch.acts) == 1


def test_one_with_requests_that_completes_nothing_is_out_after_its_longest_prompt() -> None:
    watch = busy()
    hung_s = watch.engine.now_s
    watch.engine.hangs = True
    watch.go_on(180)
    assert watch.states == ["well", "suspected", "out", "restarting", "well"]
    assert RULES.stall_s <= watch.since("out") - hung_s <= RULES.stall_s + CANARY_S


@pytest.mark.parametrize("gauges_freeze", [False, True])
@pytest.mark.parametrize("before_s", range(60, 74, 2))
def test_an_idle_one_that_completes_nothing_is_out_in_time(
    gauges_freeze: bool, before_s: int
) -> None:
    """vLLM's figures come with a step's end: of one that never ends they say that nobody asked."""
    engine = Engine(gauges_freeze=gauges_freeze)
    watch = Watch(engine)
    watch.go_on(before_s)
    hung_s, engine.hangs = engine.now_s, True
    watch.go_on(150)
    assert watch.states[:3] == ["well", "suspected", "out"] or watch.states[:2] == ["well", "out"]
    assert watch.since("out") - hung_s <= BAR_S
    assert len(watch.acts) == 1 and watch.states[-1] == "well"


@pytest.mark.parametrize("before_s", range(60, 74, 2))
def test_an_idle_one_is_restarted_in_time_by_what_others_said_a_look_ago(before_s: int) -> None:
    """Four seconds until it is asked, a step's patience, evidence, and the others asked twice."""
    watch = Watch(Engine(gauges_freeze=True))
    fleet = Fleet([watch])
    watch.go_on(before_s)
    hung_s, watch.engine.hangs = watch.engine.now_s, True
    for _ in range(30):
        watch.engine.pass_time(LOOK_S)
        fleet.look(watch)
    assert watch.acts[0] - hung_s <= 40


def test_the_first_token_of_a_start_may_take_longer_and_not_for_ever() -> None:
    """Kernels are compiled for it; what never comes is a hang all the same."""
    engine = Engine(tokens=0.0, hangs=True)
    watch = Watch(engine)
    watch.go_on(COLD_S)
    engine.hangs = False
    watch.go_on(60)
    assert watch.acts == [] and steps.OUT not in watch.states
    never = Watch(Engine(tokens=0.0, hangs=True))
    never.go_on(COLD_S + 3 * CANARY_S)
    assert len(never.acts) == 1 and never.since("out") >= COLD_S


def test_a_step_may_take_as_long_as_the_plan_explains() -> None:
    """Its figures say nothing of a request before that has ended."""
    engine = Engine()
    watch = Watch(engine, RULES._replace(stall_s=90.0, step_s=80.0))
    for _ in range(20):
        watch.go_on(10)
        engine.hangs = engine.gauges_freeze = True
        watch.go_on(76)
        engine.hangs = False
    assert watch.acts == [] and steps.OUT not in watch.states


@pytest.mark.parametrize("refused", [True, False])
def test_a_busy_one_whose_figures_are_refused_or_renamed_is_left_alone(refused: bool) -> None:
    """Its canary is refused with the same key, or waits in its queue for minutes."""
    watch = Watch(Engine())
    watch.go_on(60)
    waited_s = 0.0
    for _ in range(1800):
        watch.engine.now_s += LOOK_S
        is_asked = watch.course.signs.asked_s is not None
        waited_s = waited_s + LOOK_S if is_asked else 0.0
        found: Completion | None = None
        if refused and is_asked:
            found = Completion(False, "HTTP 401", refused=True)
        elif waited_s > 300:
            found = Completion(True)
        watch.look(requests=None, tokens=None, work=None, untold=True, completion=found)
    assert watch.acts == [] and steps.OUT not in watch.states


def test_one_without_known_figures_that_completes_nothing_is_found_all_the_same() -> None:
    watch = Watch(Engine())
    watch.go_on(60)
    watch.go_on(UNTOLD_S + 100, requests=None, tokens=None, work=None, untold=True, completion=None)
    assert steps.OUT in watch.states and len(watch.acts) == 1


def test_figures_that_do_not_come_are_no_excuse() -> None:
    """llama.cpp's come from the loop that hangs; its health does not."""
    watch = busy()
    watch.engine.hangs = True
    watch.go_on(RULES.stall_s + 2 * CANARY_S, requests=None, tokens=None, work=None)
    assert steps.OUT in watch.states


def test_one_that_answers_500_to_every_completion_is_found() -> None:
    engine = Engine()
    watch = Watch(engine)
    for _ in range(60):
        engine.pass_time(LOOK_S)
        failed = Completion(False, "HTTP 500") if watch.course.signs.asked_s is not None else None
        engine.canary = False
        watch.look(completion=failed)
        if watch.acts:
            break
    assert watch.since("out") <= BAR_S and len(watch.acts) == 1
    assert "HTTP 500" in watch.course.why


def test_one_whose_canary_is_refused_is_left_alone() -> None:
    """A key that the engine does not take, or a model that it does not know: no restart mends."""
    engine, watch, asks = Engine(), Watch(Engine()), 0
    for _ in range(600):
        engine.pass_time(LOOK_S)
        watch.engine.now_s, watch.engine.canary = engine.now_s, False
        asked = watch.course.signs.asked_s is not None
        refusal = Completion(False, "HTTP 401", refused=True) if asked else None
        actions = watch.look(completion=refusal)
        asks += steps.ASK in actions
    assert watch.acts == [] and "out" not in watch.states
    assert asks <= 600 * LOOK_S / SELDOM_S + 1  # nor does it fill the engine's log


def test_one_that_goes_on_before_it_was_restarted_is_well_again() -> None:
    watch = busy()
    watch.engine.stopped = True
    while watch.course.state != steps.OUT:
        watch.go_on(LOOK_S, kept=False)
    watch.engine.stopped = False
    watch.go_on(20, kept=False)
    assert watch.course.state == "well" and watch.acts == []


# --- what does not -------------------------------------------------------------------------------


def test_prompts_longer_than_explained_are_well_where_the_engine_shows_that_it_reads() -> None:
    engine = Engine(shows_chunks=True)
    watch = Watch(engine)
    engine.ask(600, 10)
    watch.go_on(1200)
    assert set(watch.states) == {"well"}


def test_a_stream_of_a_token_each_quarter_of_a_minute_is_life() -> None:
    engine = Engine()
    watch = Watch(engine)
    engine.canary = False
    for number in range(1000):
        engine.now_s += LOOK_S
        engine.tokens += number % 7 == 0
        watch.look(requests=64.0)
    assert set(watch.states) <= {"well", "suspected"} and watch.acts == []


def test_an_idle_one_is_asked_ten_times_a_minute_and_no_busy_one_is() -> None:
    idle, asked = Watch(Engine()), 0
    for _ in range(300):
        idle.engine.pass_time(LOOK_S)
        asked += steps.ASK in idle.look()
    assert 90 <= asked <= 100
    working = busy()
    for _ in range(300):
        working.engine.pass_time(LOOK_S)
        assert working.look() == ()


def test_time_in_which_nobody_looked_proves_nothing() -> None:
    """The watchdog was stopped, or the machine: all begins anew."""
    watch = busy()
    for gap_s in (15.0, 600.0, 86400.0, -3600.0):
        watch.engine.now_s += gap_s
        watch.engine.tokens += 0
        watch.look()
        assert watch.course.state == "well"
    assert watch.acts == []


def test_an_engine_without_figures_has_the_time_of_a_queue() -> None:
    watch = Watch(Engine(), Rules(1800.0, 600.0, counts=False, restarts_an_hour=3))
    for _ in range(900 - 40):
        watch.engine.now_s += LOOK_S
        watch.look(requests=None, tokens=None, work=None, completion=None)
    assert watch.states == ["well"]
    watch.go_on(200, requests=None, tokens=None, work=None, completion=None)
    assert steps.OUT in watch.states


work = st.lists(
    st.tuples(
        st.integers(0, 60),  # seconds until it comes
        st.floats(0.0, RULES.stall_s - 6),
        st.floats(0.0, 600.0),
    ),
    max_size=60,
)


@settings(max_examples=60)
@given(work, st.booleans(), st.floats(0.0, RULES.step_s / 2), st.integers(0, 2**16))
def test_no_load_of_a_sound_engine_has_it_restarted(
    load: list[tuple[int, float, float]], shows_chunks: bool, step_s: float, seed: int
) -> None:
    """Bursts, long prompts, idle hours, figures that come late, and looks that do."""
    late = random.Random(seed)
    engine = Engine(shows_chunks=shows_chunks, step_s=step_s)
    watch = Watch(engine)
    for wait_s, prompt_s, answer_s in load:
        for _ in range(wait_s // 2):
            step_s = late.choice((LOOK_S, LOOK_S, 3.0, 5.0))
            engine.pass_time(step_s)
            watch.look()
        engine.ask(prompt_s, answer_s)
    watch.go_on(600)
    assert watch.acts == [] and steps.OUT not in watch.states


@settings(max_examples=60)
@given(st.integers(0, 400), st.sampled_from(["stopped", "hangs"]), st.booleans())
def test_whenever_it_hangs_it_is_found_and_comes_back(
    before_s: int, how: str, has_requests: bool
) -> None:
    engine = Engine()
    watch = Watch(engine)
    if has_requests:
        engine.ask(1, 100_000)
    watch.go_on(before_s)
    setattr(engine, how, True)
    watch.go_on(60 + RULES.stall_s + 4 * CANARY_S)
    assert len(watch.acts) == 1
    watch.go_on(60)
    assert watch.course.state == "well"


# --- restarts ------------------------------------------------------------------------------------


def test_after_so_many_restarts_an_hour_it_is_given_up_until_it_completes() -> None:
    engine = Engine(hangs=True, broken=True, start_s=4)
    watch = Watch(engine, RULES._replace(start_s=60))
    watch.go_on(3000)
    assert watch.course.state == steps.GIVEN_UP
    assert 1 <= len(watch.acts) <= RULES.restarts_an_hour
    engine.broken = engine.hangs = False
    watch.go_on(90)
    assert watch.course.state == "well"


def test_restarts_before_the_watchdog_s_own_start_count() -> None:
    engine = Engine(hangs=True)
    watch = Watch(engine)
    watch.course = watch.course._replace(restarts=(-10.0, -20.0, -30.0))
    watch.go_on(200)
    assert watch.course.state == steps.GIVEN_UP and watch.acts == []
    assert "3 times in the last hour" in watch.course.why


def test_zero_restarts_an_hour_never_restarts() -> None:
    watch = Watch(Engine(hangs=True), RULES._replace(restarts_an_hour=0))
    watch.go_on(600)
    assert watch.acts == [] and watch.course.state == steps.GIVEN_UP


def test_in_turn_or_in_quarantine_it_is_left_alone() -> None:
    for more, state in (({"in_turn": True}, "in turn"), ({"held": "GPU 0: lost"}, "suspected")):
        watch = busy()
        watch.engine.hangs = True
        watch.go_on(600, **more)
        assert watch.course.state == state and watch.acts == []
    assert watch.course.why == "the server is in quarantine: GPU 0: lost"
    watch.go_on(120)  # it has ended: now it is judged again
    assert len(watch.acts) == 1


# --- given up, and then in somebody else's hands -------------------------------------------------


def given_up() -> Watch:
    """One that hung as often as it may be restarted, and hangs."""
    watch = Watch(Engine(hangs=True, broken=True, start_s=4), RULES._replace(start_s=60))
    watch.course = watch.course._replace(restarts=(-10.0, -20.0, -30.0))
    watch.go_on(200)
    assert (watch.course.state, watch.acts) == (steps.GIVEN_UP, [])
    return watch


@pytest.mark.parametrize("hands", [{"in_turn": True}, {"held": "x"}, {"rank": "x"}], ids=str)
@pytest.mark.parametrize("is_started_anew", [True, False])
def test_given_up_it_still_is_after_a_step_that_mended_nothing(
    hands: dict[str, object], is_started_anew: bool
) -> None:
    """Failed, or abandoned: whoever had it, it serves nobody."""
    watch = given_up()
    why = watch.course.why
    watch.go_on(20, **hands)
    assert watch.course.state != steps.GIVEN_UP
    if is_started_anew:
        watch.engine.restart()
        watch.go_on(60, **hands)
    watch.go_on(LOOK_S)
    assert (watch.course.state, watch.course.why) == (steps.GIVEN_UP, why)
    watch.go_on(600)
    assert (watch.course.state, watch.acts) == (steps.GIVEN_UP, [])


def test_while_a_step_has_it_what_it_was_given_up_for_is_said() -> None:
    watch = given_up()
    why = watch.course.why
    watch.go_on(20, in_turn=True)
    assert (watch.course.state, watch.course.why) == ("in turn", f"was given up: {why}")


@pytest.mark.parametrize("hands", [{"in_turn": True}, {"held": "x"}], ids=str)
def test_after_a_step_that_proved_it_it_is_well_and_its_restarts_are_forgotten(
    hands: dict[str, object],
) -> None:
    """By its own tokens: gateways have it again when the step ends, and must not put it out."""
    watch = given_up()
    watch.go_on(20, **hands)
    watch.engine.broken = False
    watch.engine.restart()
    watch.go_on(30, **hands)
    watch.engine.ask(0, 4)  # the step's own completion
    watch.go_on(10, **hands)
    watch.engine.pass_time(LOOK_S)
    assert watch.look() == (steps.FORGET,)
    assert (watch.course.state, watch.course.restarts) == ("well", ())
    watch.go_on(60)
    assert watch.states[-1] == "well" and watch.states.count(steps.GIVEN_UP) == 1
    watch.engine.hangs = True  # and it is restarted as any other
    watch.go_on(120)
    assert len(watch.acts) == 1


def test_a_start_that_was_proven_counts_for_no_later_one() -> None:
    """A step whose proof failed puts back what hung before."""
    watch = given_up()
    why = watch.course.why
    watch.engine.broken = False
    watch.engine.restart()
    watch.go_on(30, in_turn=True)
    watch.engine.ask(0, 4)
    watch.go_on(10, in_turn=True)
    watch.engine.broken = True
    watch.engine.restart()
    watch.go_on(30, in_turn=True)
    watch.go_on(LOOK_S)
    assert (watch.course.state, watch.course.why) == (steps.GIVEN_UP, why)


def test_what_an_engine_without_figures_was_given_up_for_ends_with_its_first_completion() -> None:
    """A step's proof is not seen there: it is asked at once."""
    watch = given_up()
    watch.rules = watch.rules._replace(counts=False)
    blind = {"requests": None, "tokens": None, "work": None}
    watch.engine.broken = False
    watch.engine.restart()
    watch.go_on(30, in_turn=True, **blind)
    watch.go_on(LOOK_S, **blind)
    assert watch.course.state == steps.GIVEN_UP and watch.engine.canary
    watch.go_on(LOOK_S, **blind)
    assert watch.course.state == "well"


def test_a_unit_that_gave_up_is_still_given_up_while_it_tries_again_after_a_step() -> None:
    """A failed step has started it anew: until that fails for good too, or serves."""
    watch = Watch(Engine())
    watch.go_on(10, unit="failed", unit_why="gave up after 5 starts that never became ready")
    why = watch.course.why
    watch.engine.starts += 1
    watch.go_on(20, unit="activating", in_turn=True)
    watch.go_on(20, unit="activating")
    assert (watch.course.state, watch.course.why) == (steps.GIVEN_UP, why)
    watch.go_on(10, unit="failed", unit_why="gave up after 5 starts, again")
    assert "again" in watch.course.why


def test_a_well_one_keeps_its_restarts_in_a_step_that_starts_nothing() -> None:
    watch = busy()
    watch.course = watch.course._replace(restarts=(50.0, 55.0))
    watch.go_on(60, in_turn=True)
    watch.go_on(10)
    assert (watch.course.state, watch.course.restarts) == ("well", (50.0, 55.0))


def test_a_rank_in_quarantine_takes_the_replica_out_and_nothing_is_restarted() -> None:
    watch = busy()
    watch.go_on(60, rank="gpu2 is in quarantine: GPU 0: lost")
    assert (watch.course.state, watch.acts) == ("out", [])
    watch.go_on(10)
    assert watch.course.state == "well"


def test_a_unit_that_starts_is_not_judged_and_one_that_failed_is_given_up() -> None:
    watch = Watch(Engine())
    watch.go_on(400, unit="activating", answered=False, requests=None)
    assert (watch.course.state, watch.course.why) == ("suspected", "its unit is activating")
    watch.go_on(10, unit="failed", unit_why="gave up after 5 starts that never became ready")
    assert watch.course.state == steps.GIVEN_UP
    assert "gave up after 5 starts" in watch.course.why
    watch.go_on(10, unit="activating")
    assert watch.course.state == steps.GIVEN_UP  # until it completes something
    watch.go_on(10)
    assert watch.course.state == "well"


def test_one_that_is_stopped_by_hand_before_its_restart_stays_stopped() -> None:
    """It was announced, and the others are still being asked."""
    watch = hung("chat-gpu1-0", at_s=100.0)
    watch.look(Peers(101.0, ()))
    assert watch.course.state == steps.RESTARTING
    for _ in range(30):
        watch.engine.pass_time(LOOK_S)
        watch.look(unit="inactive")
    assert (watch.acts, watch.course.state) == ([], "suspected")


def test_one_that_does_not_come_back_is_given_up() -> None:
    engine = Engine(start_s=10_000, stopped=True)
    watch = Watch(engine)
    watch.go_on(800)
    assert watch.states == ["well", "suspected", "out", "restarting", "given up"]
    assert "not back in" in watch.course.why


# --- several of one service ----------------------------------------------------------------------


def hung(name: str, at_s: float = 0.0) -> Watch:
    watch = Watch(Engine(name, hangs=True, now_s=at_s, start_s=40))
    claim(watch)
    return watch


def claim(watch: Watch) -> None:
    """It was found dead at its last look."""
    at_s = watch.engine.now_s
    watch.course = watch.course._replace(state=steps.OUT, why="hung", claims=True, out_s=at_s)


def test_of_two_that_hang_the_lower_name_goes_first_and_the_other_after_it() -> None:
    one, two = hung("chat-gpu1-0"), hung("chat-gpu2-0")
    fleet = Fleet([two, one])
    for _ in range(100):
        for watch in fleet.watches:
            watch.engine.pass_time(LOOK_S)
            fleet.look(watch)
    assert fleet.most_away == 1
    assert one.acts and two.acts and one.acts[0] < two.acts[0]
    assert two.acts[0] >= one.said[-1][0]  # only once the first was proven


def test_who_is_not_reached_does_not_count() -> None:
    one, two = hung("chat-gpu1-0"), hung("chat-gpu2-0")
    fleet = Fleet([two, one], reached=False)
    for _ in range(20):
        for watch in fleet.watches:
            watch.engine.pass_time(LOOK_S)
            fleet.look(watch)
    assert one.acts and two.acts


@pytest.mark.parametrize("state", ["restarting", "in turn"])
def test_while_another_is_away_none_is_restarted(state: str) -> None:
    watch = hung("chat-gpu1-0")
    for _ in range(300):
        watch.engine.pass_time(LOOK_S)
        watch.look(Peers(watch.engine.now_s, (Peer("chat-gpu2-0", state, False),)))
    assert watch.acts == [] and watch.course.state == "out"


def test_what_peers_said_before_it_announced_itself_does_not_count() -> None:
    watch = hung("chat-gpu1-0", at_s=100.0)
    for _ in range(50):
        watch.engine.pass_time(LOOK_S)
        watch.look(Peers(99.0, ()))
    assert watch.acts == []


@settings(max_examples=300)
@given(st.integers(2, 4), st.integers(0, 2**32), st.integers(1, 6))
def test_in_whatever_order_watchdogs_look_no_two_are_restarted_at_once(
    count: int, seed: int, every: int
) -> None:
    """They hang at any time, and each look may act on pages that were read looks ago."""
    chance = random.Random(seed)
    fleet = Fleet([Watch(Engine(f"chat-gpu{number}-0", start_s=40)) for number in range(count)])
    for number in range(200):
        watch = chance.choice(fleet.watches)
        if number < 40 and chance.randrange(every) == 0 and watch.course.state == "well":
            watch.engine.hangs = True
            claim(watch)
        for each in fleet.watches:
            each.engine.pass_time(0.25)
        fleet.look(watch, asks=chance.random() < 0.5)
    assert fleet.most_away <= 1
