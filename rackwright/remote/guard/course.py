"""A replica's way from well to out and back, and who of a service is restarted first. Pure.

A restart is announced twice before it is done. "out" with a claim comes first; the lowest name of
those that claim goes on. It says "restarting", and only then asks the others once more: where
another says so too, both step back. Of two that announce, each reads after it wrote, so one of them
at least has seen the other. Who is not reached does not count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rackwright.remote.guard.signs import (
    AGAIN_S,
    DEAD,
    SELDOM_S,
    SUSPECTED,
    WELL,
    Look,
    Rules,
    Signs,
    asked,
    begun,
    folded,
    goes_on,
    verdict,
)

OUT, RESTARTING, GIVEN_UP, IN_TURN = "out", "restarting", "given up", "in turn"
EVIDENCE_S = 40.0
"""Evidence that is not there by then is not waited for."""
SETTLED_S = 10.0
"""After a restart was asked for: what its unit is by then is of that restart."""
HOUR_S = 3600.0
ASK, KEEP, RESTART, FORGET = "ask", "keep", "restart", "forget"
"""Actions: ask for a completion, keep evidence, restart with all ranks, forget its restarts."""


class Peer(NamedTuple):
    """Another replica of the service, by what its watchdog said."""

    name: str
    state: str
    claims: bool


class Peers(NamedTuple):
    """What peers said that were asked from ``asked_s`` on; None before the first time."""

    asked_s: float | None = None
    said: Sequence[Peer] = ()


class LeftAlone(NamedTuple):
    """What a replica was when a step or a quarantine took it from the watchdog.

    ``start`` ran then; ``gave_up`` is why it was given up, empty where it was not. ``served`` is
    the last start that was seen to make a token meanwhile.
    """

    start: str
    gave_up: str = ""
    served: str = ""


class Course(NamedTuple):
    """Where a replica is on its way. ``claims``: it is to be restarted once it may.

    ``left_alone`` is there while somebody else has it.
    Times by the watchdog's own clock: ``out_s`` since it claims, ``raised_s`` since it says that it
    is restarted, ``acted_s`` when it was; ``restarts`` are those of the last hour.
    """

    name: str
    signs: Signs
    state: str = WELL
    why: str = ""
    claims: bool = False
    out_s: float = 0.0
    raised_s: float | None = None
    acted_s: float | None = None
    restarts: tuple[float, ...] = ()
    left_alone: LeftAlone | None = None


def first(name: str, look: Look, restarts: Sequence[float] = ()) -> Course:
    """At the watchdog's own start: well until the contrary is seen."""
    return Course(name, begun(look), restarts=tuple(restarts))


def hangs(course: Course) -> bool:
    """Whether it was found to hang, and has not completed anything since."""
    return course.claims or course.state == RESTARTING


def decided(
    course: Course, look: Look, peers: Peers, rules: Rules
) -> tuple[Course, tuple[str, ...]]:
    """The next step, and what is to be done for it."""
    went_on = goes_on(course.signs, look)
    course = course._replace(
        signs=folded(course.signs, look),
        restarts=tuple(at for at in course.restarts if look.now_s - at < HOUR_S),
    )
    if state := _in_other_hands(course, look):
        return _left_alone(course, state, look), ()
    if course.left_alone is not None:
        course, actions = _taken_back(course, course.left_alone, look)
        course, more = _judged(course, look, peers, rules, went_on=went_on)
        return course, (*actions, *more)
    return _judged(course, look, peers, rules, went_on=went_on)


def _in_other_hands(course: Course, look: Look) -> str:
    """Its state while a quarantine or a step has it; empty where the watchdog has."""
    if look.held or look.in_turn:
        return SUSPECTED if look.held else IN_TURN
    return OUT if look.rank and course.acted_s is None else ""


def _left_alone(course: Course, state: str, look: Look) -> Course:
    """Nothing is judged, and that it was given up is not forgotten."""
    was = course.left_alone
    if was is None:
        was = LeftAlone(look.start, course.why if course.state == GIVEN_UP else "")
    why = f"was given up: {was.gave_up}" if was.gave_up else ""
    if look.held or not look.in_turn:
        why = f"the server is in quarantine: {look.held}" if look.held else look.rank
    kept = course._replace(left_alone=_with_service(was, course, look))
    return _at(kept, state, why, look)


def _with_service(was: LeftAlone, course: Course, look: Look) -> LeftAlone:
    """A start that makes tokens serves; so does a new one that has made any before it was seen."""
    served = course.signs.proven or (look.start != was.start and bool(look.tokens))
    return was._replace(served=look.start) if served else was


def _taken_back(course: Course, was: LeftAlone, look: Look) -> tuple[Course, tuple[str, ...]]:
    """A start that is new and serves has no past; what was given up and serves nobody still is."""
    was, course = _with_service(was, course, look), course._replace(left_alone=None)
    serves = look.unit == "active" and was.served == look.start
    if serves and look.start != was.start:
        return course._replace(restarts=()), (FORGET,)
    if was.gave_up and not serves:
        return course._replace(state=GIVEN_UP, why=was.gave_up), ()
    return course, ()


def _judged(
    course: Course, look: Look, peers: Peers, rules: Rules, *, went_on: bool
) -> tuple[Course, tuple[str, ...]]:
    """By its signs, where the watchdog has it."""
    if course.claims and not went_on:
        return _at(course, SUSPECTED, "is looked at anew", look), ()
    if course.state == RESTARTING and (course.acted_s is not None or look.unit == "active"):
        return _restarting(course, look, peers, rules)
    if look.unit != "active":
        return _not_running(course, look), ()
    if course.state == GIVEN_UP:
        return _given_up(course, look)
    if course.claims:
        return _out(course, look, peers, rules)
    return _watched(course, rules)


def _not_running(course: Course, look: Look) -> Course:
    """Given up by systemd; or what is given up stays so until it completes something."""
    why = f"its unit is {look.unit}" + (f": {look.unit_why}" if look.unit_why else "")
    if look.unit == "failed":
        return _at(course, GIVEN_UP, why, look)
    if course.state == GIVEN_UP:
        return _at(course, GIVEN_UP, course.why, look)
    return _at(course, SUSPECTED, why, look)


def _at(course: Course, state: str, why: str, look: Look) -> Course:
    """In a state in which nothing is judged: what comes after begins anew."""
    signs = begun(look)
    return course._replace(
        state=state, why=why, signs=signs, claims=False, raised_s=None, acted_s=None
    )


def _watched(course: Course, rules: Rules) -> tuple[Course, tuple[str, ...]]:
    """Well or suspected; out from the look on at which it is dead."""
    found = verdict(course.signs, rules)
    if found.state == DEAD:
        out = course._replace(state=OUT, why=found.why, claims=True, out_s=course.signs.looked_s)
        return out, (KEEP,)
    course = course._replace(state=found.state, why=found.why)
    return _asking(course) if found.ask else (course, ())


def _asking(course: Course) -> tuple[Course, tuple[str, ...]]:
    return course._replace(signs=asked(course.signs)), (ASK,)


def _out(course: Course, look: Look, peers: Peers, rules: Rules) -> tuple[Course, tuple[str, ...]]:
    """Waiting for evidence and for its turn; who completes something meanwhile is well again."""
    if course.signs.proven:
        return _well(course), ()
    if not look.kept and look.now_s - course.out_s < EVIDENCE_S:
        return course, ()
    if len(course.restarts) >= rules.restarts_an_hour:
        many = f"restarted {len(course.restarts)} times in the last hour"
        return _gave_up(course, f"{many}: {course.why}"), ()
    heard = peers.asked_s is not None and peers.asked_s > course.out_s
    if not heard or any(_goes_before(peer, course.name) for peer in peers.said):
        return _asking(course) if _rested(course, AGAIN_S) else (course, ())
    return course._replace(state=RESTARTING, raised_s=look.now_s), ()


def _goes_before(peer: Peer, name: str) -> bool:
    return _is_away(peer) or (peer.claims and peer.name < name)


def _is_away(peer: Peer) -> bool:
    return peer.state in (RESTARTING, IN_TURN)


def _restarting(
    course: Course, look: Look, peers: Peers, rules: Rules
) -> tuple[Course, tuple[str, ...]]:
    if course.acted_s is None:
        return _announced(course, look, peers)
    since_s = look.now_s - course.acted_s
    if look.unit == "active" and course.signs.proven:
        return _well(course), ()
    failed = look.unit == "failed" and since_s > SETTLED_S
    if failed or since_s > rules.start_s:
        said = "its unit failed" if failed else f"not back in {since_s:.0f} s"
        return _gave_up(course, f"restarted, and {said}"), ()
    ready = look.unit == "active" and _rested(course, AGAIN_S)
    return _asking(course) if ready else (course, ())


def _announced(course: Course, look: Look, peers: Peers) -> tuple[Course, tuple[str, ...]]:
    """What it announced is done once the others were asked again, and none announced the same."""
    assert course.raised_s is not None
    if peers.asked_s is None or peers.asked_s <= course.raised_s:
        return course, ()
    if any(_is_away(peer) for peer in peers.said):
        return course._replace(state=OUT, raised_s=None, out_s=look.now_s), ()
    acted = course._replace(
        claims=False,
        acted_s=look.now_s,
        restarts=(*course.restarts, look.now_s),
        signs=begun(look),
    )
    return acted, (RESTART,)


def _given_up(course: Course, look: Look) -> tuple[Course, tuple[str, ...]]:
    """Somebody may have mended it: now and then it is asked."""
    if course.signs.proven:
        return _well(course), ()
    return _asking(course) if _rested(course, SELDOM_S) else (course, ())


def _gave_up(course: Course, why: str) -> Course:
    return course._replace(state=GIVEN_UP, why=why, claims=False, raised_s=None, acted_s=None)


def _well(course: Course) -> Course:
    """Again: what was seen before does not count."""
    now = course.signs.looked_s
    signs = course.signs._replace(answered_s=now, moved_s=now, asked_s=None, failed=0, failure="")
    return course._replace(
        state=WELL, why="", claims=False, raised_s=None, acted_s=None, signs=signs
    )


def _rested(course: Course, seconds: float) -> bool:
    """Whether none is under way, and the last is so long ago."""
    signs = course.signs
    if signs.asked_s is not None:
        return False
    return signs.tried_s is None or signs.looked_s - signs.tried_s >= seconds
