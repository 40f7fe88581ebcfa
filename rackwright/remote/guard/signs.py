"""Signs of life of one replica, folded look by look, and what they mean. Pure: time is given.

Tokens made, tokens of prompts read, a KV cache that changes: any of them is life, however slow. An
engine that answers nobody at all is found sooner than one that answers and gets nothing done, for
that may be a long prompt. Nothing is concluded from time in which nobody looked.
"""

from __future__ import annotations

from typing import NamedTuple

WELL, SUSPECTED, DEAD = "well", "suspected", "dead"
LOOK_S = 2.0
GAP_S = 10.0
"""Between two looks: after more than that the watchdog itself had stood still."""
SILENT_S = 20.0
"""Without any answer over HTTP, of a process that lives; an answer may take half of it."""
CANARY_S = 8.0
"""Before the end of anybody's patience a completion is asked for, and has so long."""
IDLE_S, IDLE_CANARY_S, SELDOM_S = 4.0, 20.0, 60.0
"""An engine that nobody asked for so long is asked for a token, and has so long if it is alone.

Engines tell of a request once a step is done with it, so that one which hangs at the first says
that nobody asked: found by this alone. Seldom are those asked whose figures do not say who waits,
for each time adds to their queue.
"""
COLD_S = 120.0
"""For its first token: kernels may be compiled for that, once. As long as a completion may take."""
UNTOLD_S = 1800.0
"""For a completion of an engine whose figures are refused or renamed: it may wait behind others."""
AGAIN_S, FAILED = 3.0, 3
"""After a completion that failed, and how many in a row are a verdict where nobody else asks."""


class Rules(NamedTuple):
    """What a replica is judged by.

    ``stall_s`` is the longest without a token that the plan explains, ``step_s`` the longest that a
    step takes, ``start_s`` that a restart may take; ``counts``: its metrics tell requests and
    tokens.
    """

    stall_s: float
    start_s: float
    counts: bool
    restarts_an_hour: int
    step_s: float = IDLE_CANARY_S


class Completion(NamedTuple):
    """How a completion ended that was asked for.

    ``refused``: by words that an engine which is well may say (4xx). ``busy``: by such as it says
    when it has too much to do (429, 503).
    """

    ok: bool
    why: str = ""
    refused: bool = False
    busy: bool = False


class Look(NamedTuple):
    """One look. ``requests`` run or wait; ``work`` are counters that change with any work.

    None is what was not told; ``untold``: its figures were answered, and are none that are known.
    ``unit`` is its state, ``unit_why`` more of that; ``start`` names the
    start that runs; ``completion`` has ended since the look before. ``held``: why the server is in
    quarantine; ``rank``: why a rank on another server is. ``kept``: all evidence is there.
    """

    now_s: float
    unit: str
    start: str
    answered: bool
    requests: float | None = None
    tokens: float | None = None
    work: tuple[float | None, ...] | None = None
    completion: Completion | None = None
    in_turn: bool = False
    held: str = ""
    rank: str = ""
    kept: bool = True
    unit_why: str = ""
    untold: bool = False


class Signs(NamedTuple):
    """What was seen so far, by the watchdog's own clock.

    ``asked_s``: a completion is under way since then, ``alone`` while it is; ``tried_s``: the last
    failed then, ``failed`` of them in a row. ``proven``: the last look saw a token made, ``warm``:
    one before did. ``untold`` as in the last look.
    """

    looked_s: float
    start: str
    answered_s: float
    moved_s: float
    completed_s: float
    requests: float | None = None
    tokens: float | None = None
    work: tuple[float | None, ...] | None = None
    asked_s: float | None = None
    alone: bool = True
    tried_s: float | None = None
    failed: int = 0
    failure: str = ""
    proven: bool = False
    warm: bool = False
    untold: bool = False


class Verdict(NamedTuple):
    """Well, suspected or dead, why, and whether a completion is to be asked for now."""

    state: str
    why: str = ""
    ask: bool = False


def begun(look: Look) -> Signs:
    """Signs from here on: all is as if it had been well until now."""
    now = look.now_s
    signs = Signs(now, look.start, now, now, now, look.requests, look.tokens, look.work)
    return signs._replace(warm=bool(look.tokens), untold=look.untold)


def asked(signs: Signs) -> Signs:
    """A completion was just asked for; alone where no other request was told of."""
    return signs._replace(asked_s=signs.looked_s, alone=signs.requests == 0)


def goes_on(signs: Signs, look: Look) -> bool:
    """Whether it is the same start, and somebody looked all the time."""
    return look.start == signs.start and 0 <= look.now_s - signs.looked_s <= GAP_S


def folded(signs: Signs, look: Look) -> Signs:
    """With one look more. Another start, or a time in which nobody looked, begins anew."""
    if not goes_on(signs, look):
        return begun(look)
    now, ended = look.now_s, look.completion
    proven = _made_tokens(signs, look) or (ended is not None and ended.ok)
    works = look.work is not None and look.work != signs.work
    moved = proven or works or look.requests == 0 or look.untold
    signs = signs._replace(
        looked_s=now,
        answered_s=now if look.answered or proven else signs.answered_s,
        moved_s=now if moved else signs.moved_s,
        completed_s=now if proven else signs.completed_s,
        requests=look.requests,
        tokens=look.tokens if look.tokens is not None else signs.tokens,
        work=look.work if look.work is not None else signs.work,
        alone=signs.alone and look.requests is not None and look.requests <= 1,
        proven=proven,
        warm=signs.warm or proven or bool(look.tokens),
        untold=look.untold,
    )
    if ended is not None:
        signs = _ended(signs, ended)
    return signs._replace(failed=0, failure="", tried_s=None) if proven else signs


def _made_tokens(signs: Signs, look: Look) -> bool:
    return look.tokens is not None and signs.tokens is not None and look.tokens > signs.tokens


def _ended(signs: Signs, ended: Completion) -> Signs:
    """A refusal says nothing of the engine behind it; the next is asked for after a while.

    Nor does one that waited in vain while the requests of others went on: their queue is long.
    """
    if not ended.ok and signs.requests and signs.moved_s > (signs.asked_s or signs.moved_s):
        return signs._replace(asked_s=None, tried_s=signs.looked_s)
    if ended.refused or (ended.busy and signs.requests != 0):
        return signs._replace(
            asked_s=None, tried_s=signs.looked_s, completed_s=signs.looked_s, failure=ended.why
        )
    failed = signs.failed + (not ended.ok)
    return signs._replace(asked_s=None, tried_s=signs.looked_s, failed=failed, failure=ended.why)


def verdict(signs: Signs, rules: Rules) -> Verdict:
    """What the signs mean at the last look."""
    rules = _as_it_tells(signs, rules)
    silent_s, still_s = signs.looked_s - signs.answered_s, signs.looked_s - signs.moved_s
    left_s, why = SILENT_S - silent_s, f"no answer for {silent_s:.0f} s"
    if rules.counts and rules.stall_s - still_s < left_s:
        left_s, why = rules.stall_s - still_s, f"requests and no token for {still_s:.0f} s"
    waited_s = 0.0 if signs.asked_s is None else signs.looked_s - signs.asked_s
    if left_s <= 0 and _was_tried(signs, waited_s, CANARY_S - left_s):
        return Verdict(DEAD, _with(why, signs))
    if (idle := _idle_verdict(signs, rules, waited_s)) is not None:
        return idle
    if left_s <= CANARY_S or signs.failed:
        return Verdict(SUSPECTED, _with(why if left_s <= CANARY_S else "", signs), _may_ask(signs))
    return Verdict(WELL, ask=_is_to_be_asked(signs, rules, still_s) and _may_ask(signs))


def _is_to_be_asked(signs: Signs, rules: Rules, still_s: float) -> bool:
    """One that nobody asks; and one that tells of requests for long and shows no work.

    A count that is stuck is known by that before somebody's long prompt comes on top of it.
    """
    if rules.counts and signs.requests != 0:
        return still_s >= rules.stall_s / 2 and not signs.failure
    idle_s = signs.looked_s - signs.completed_s
    return idle_s >= (IDLE_S if rules.counts and not signs.failure else SELDOM_S)


def _as_it_tells(signs: Signs, rules: Rules) -> Rules:
    """Rules with more patience for the first token, and for who does not tell of any."""
    if rules.counts and signs.untold:
        return rules._replace(counts=False, stall_s=max(rules.stall_s, UNTOLD_S))
    if signs.warm:
        return rules
    return rules._replace(stall_s=max(rules.stall_s, COLD_S), step_s=max(rules.step_s, COLD_S))


def _was_tried(signs: Signs, waited_s: float, recent_s: float) -> bool:
    """Whether a completion was asked for in vain since the engine came under suspicion."""
    recent = signs.tried_s is not None and signs.looked_s - signs.tried_s <= recent_s
    return recent or waited_s >= CANARY_S


def _idle_verdict(signs: Signs, rules: Rules, waited_s: float) -> Verdict | None:
    """Of completions that nobody else's requests keep waiting; None where they prove nothing."""
    patience_s = rules.step_s if rules.counts else rules.stall_s
    if waited_s >= patience_s and (signs.alone or not rules.counts):
        return Verdict(DEAD, f"completes nothing: no answer in {waited_s:.0f} s")
    if signs.failed >= FAILED and (signs.requests == 0 or not rules.counts):
        return Verdict(DEAD, f"completes nothing: {signs.failure}")
    return None


def _may_ask(signs: Signs) -> bool:
    rested = signs.tried_s is None or signs.looked_s - signs.tried_s >= AGAIN_S
    return signs.asked_s is None and rested


def _with(why: str, signs: Signs) -> str:
    failure = f"a completion failed: {signs.failure}" if signs.failure else ""
    return ", ".join(filter(None, (why, failure)))
