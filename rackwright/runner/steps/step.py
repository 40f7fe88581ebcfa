"""One replica's whole way: drained, waited for, changed, started, proven, given back.

Up to its change nothing is lost by an end, whatever ends it. From there on a fault puts back what
ran before. What a dead run left is known by the marks on the servers, and gone on with.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import gevent

from rackwright.checks.results import CheckResult
from rackwright.errors import HostError
from rackwright.runner.operations import NotStarted
from rackwright.runner.steps import proof
from rackwright.runner.steps.gates import Entry, Gates
from rackwright.runner.steps.marks import TROUBLE, Marks
from rackwright.runner.steps.rank import Rank
from rackwright.runner.steps.stages import Stage
from rackwright.runner.steps.view import View
from rackwright.runner.turns_at_gateways import Turn, TurnWanted

POLL_S = 1.0
PATIENCE_S = 20
"""For a turn: another of the service may just be proving itself to the gateways."""
Observed = tuple[dict[str, Mapping[str, Any]], list[CheckResult]]
"""By the names of servers what each process answered; and what the checks say."""


class StepFailed(HostError):
    """A step did not come to its end; ``remedy`` is what to do, ``what`` the cause in short."""

    def __init__(self, words: str, what: str, remedy: str = "") -> None:
        """``words`` say also what became of the replica."""
        super().__init__(words)
        self.what, self.remedy = what, remedy


@dataclass(frozen=True)
class Terms:
    """How a step may be taken. ``alone``: not while another replica of the service is out.

    ``hold_s``: how long requests wait for the only replica; ``drain_timeout_s`` how long the
    step waits for those that it has.
    """

    owner: str
    drain_timeout_s: int
    alone: bool = True
    hold_s: int = 0
    why: str = "rollout"


@dataclass
class Step:
    """Of one replica, on all of its servers. ``change`` is what is done to them while it is out.

    The usual one has them as planned. With ``as_before`` nothing is to be different after it (a
    new start, a reboot): nothing is kept as a way back, nor put back. ``back`` are the processes
    as they were before, where it puts that back. Neither is judged by the plan.
    """

    ranks: Sequence[Rank]
    gates: Gates
    view: View
    terms: Terms
    change: Callable[[Sequence[Rank]], None]
    as_before: bool = False
    back: Sequence[Rank] = ()
    entries: dict[str, Entry | None] = field(default_factory=dict)
    _marks: Marks = field(init=False)
    _undrained_s: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Its marks are of this run, until another's are found."""
        self._marks = Marks(self.ranks, self.terms.owner, self.view)

    @property
    def name(self) -> str:
        """The replica's."""
        return self.ranks[0].replica.name

    @property
    def service(self) -> str:
        """The service's name."""
        return self.ranks[0].replica.service.name

    def run(self) -> None:
        """Raises StepFailed, with nothing changed, all put back, or what is left said."""
        try:
            planned = not (self.as_before or self.back)
            self._marks.begin(needs=planned, anew=self.as_before)
            with self._marks.renewed():
                self._in_turn()
        except StepFailed:
            raise
        except TROUBLE as error:
            untouched = self._marks.stage is not Stage.RETURN
            what = "was not changed" if untouched else "is proven, and was not given back"
            raise StepFailed(f"{self.name} {what}: {error}", _short(error)) from error

    def _in_turn(self) -> None:
        terms = self.terms
        why = f"{terms.why}: drained"
        wanted = TurnWanted(self.name, self._marks.owner, why, terms.hold_s, terms.alone)
        self.view.enter(self.name, Stage.DRAIN)
        self._marks.stage = Stage.DRAIN
        try:
            with self.gates.turn(wanted, self._hear, PATIENCE_S) as turn:
                self._undrained_s = 0 if turn.held else self._undrained()
                before = self._drained(turn)
                self._changed(turn, before)
                self._marks.enter(Stage.RETURN)
                self._given_back(turn, before)
        except TROUBLE:
            if self._marks.stage in (Stage.DRAIN, Stage.WAIT):
                self._marks.leave()
            raise
        self._marks.end()
        self.view.done(self.name)

    def _hear(self, words: str) -> None:
        self.view.say(self.name, words)

    def _undrained(self) -> int:
        """Say that no gateway drains it; seconds until its service's router knows what it is."""
        seconds = self.gates.router_notices_s(self.service)
        what = "its service's router goes on sending" if seconds else "none runs that sends"
        self.view.say(self.name, f"no gateway drains it: {what} it requests, some may be lost")
        return seconds

    def _drained(self, turn: Turn) -> Observed:
        """Wait for its requests, then look at it: what it was, once nobody uses it."""
        self._marks.enter(Stage.WAIT)
        deadline = time.monotonic() + self.terms.drain_timeout_s
        if turn.held and self.gates.router_notices_s(self.service):
            gevent.sleep(POLL_S)  # what the router had chosen it for may be on its way
        while (left := self._in_flight(turn)) and not self._undrained_s:
            if time.monotonic() > deadline:
                words = f"{left} requests have not ended in {self.terms.drain_timeout_s} s"
                self.view.say(self.name, f"{words}: the engine is asked to end them")
                break
            gevent.sleep(POLL_S)
        return observed(self._marks.was, load=False)

    def _in_flight(self, turn: Turn) -> int:
        """As gateways count them, or the engine, which may have others: the larger number."""
        left = max(turn.in_flight(), self._marks.was[0].running() or 0)
        self.view.in_flight(self.name, left)
        return left

    def _changed(self, turn: Turn, before: Observed) -> None:
        """Changed, started and proven; or as it was before, and StepFailed."""
        turn.renew()
        had = proof.served(before[1])
        if had and not (self.as_before or self.back):
            for rank in self.ranks:  # without a way back nothing is changed, nor put back
                rank.keep()
        self._marks.enter(Stage.CHANGE)
        try:
            self.change(self.ranks)
            self._marks.enter(Stage.START)
            for rank in self.ranks:
                rank.wait()
            self._marks.enter(Stage.PROVE)
            self._prove(before)
            if not self.as_before:
                rank = (self.back or self.ranks)[0]
                self.gates.put(rank.replica, self.entries, rank.key_id())
        except TROUBLE as error:
            if self.as_before:
                self._left(error)
            self._undo(before, error, back=had or self._marks.resumed)

    def _prove(self, before: Observed) -> None:
        if self.back:
            found = proof.silent(observed(self.back, load=False)[1])
        else:
            now = self._marks.was if self.as_before else self.ranks
            found = self._faults(before, observed(now, load=True))
        if found:
            raise NotStarted(f"it is not proven: {'; '.join(found)}")

    def _faults(self, before: Observed, after: Observed) -> list[str]:
        judge = proof.worse if self.as_before else proof.faults
        found = judge(before[1], after[1])
        slow = (proof.slower(before[0][name], after[0][name]) for name in after[0])
        return [*found, *filter(None, slow)]

    def _left(self, error: Exception) -> NoReturn:
        """Nothing was changed that could be put back: gateways try it until it works."""
        self._marks.end()
        if isinstance(error, StepFailed):  # of another step, taken within this one
            raise error
        words = f"{self.name} was started anew and does not work as before: {error}"
        raise StepFailed(words, _short(error), getattr(error, "remedy", "")) from error

    def _undo(self, before: Observed, error: Exception, *, back: bool) -> None:
        """Put back what ran before, where that served. Raises StepFailed in any case."""
        remedy, what = getattr(error, "remedy", ""), _short(error)
        if not back:
            self._marks.end()
            words = f"{self.name} does not work, and did not before: it is left as planned"
            raise StepFailed(f"{words}\n{error}", what, remedy) from error
        self.view.say(self.name, f"{error}")
        try:
            self._marks.enter(Stage.UNDO)
            self._put_back(before)
        except TROUBLE as second:
            words = f"{self.name} was changed, failed ({what}), and could not be put back: {second}"
            raise StepFailed(f"{words}\n{error}", what, remedy) from error
        self._marks.end()
        words = f"{self.name} runs what it ran before: what is planned failed"
        raise StepFailed(f"{words}\n{error}", what, remedy) from error

    def _put_back(self, before: Observed) -> None:
        was = self._before_the_dead_run() if self._marks.resumed else self._marks.was
        stop_all(self.ranks)
        for rank in self.ranks:
            rank.restore()
        for rank in self.ranks:
            rank.wait()
        if self.entries:
            self.gates.put_back(self.service, self.name, self.entries)
        elif self._marks.resumed:  # that run may have told them of another place
            self.gates.put(was[0].replica, {}, was[0].key_id())
        _, again = observed(was, load=False)
        found = proof.worse(before[1], again)
        if found or not proof.served(again):
            raise HostError(f"it is not as it was: {'; '.join(found) or 'it does not answer'}")

    def _before_the_dead_run(self) -> list[Rank]:
        """The processes where those listened that are put back: it may have moved them."""
        ways = [(rank, rank.way_back()) for rank in self.ranks]
        return [rank.listening((way or {}).get("listens")) for rank, way in ways]

    def _given_back(self, turn: Turn, before: Observed) -> None:
        """In at once where it was proven here; else once it completes a gateway's own request."""
        proven = not self.back and (not self.as_before or proof.served(before[1]))
        for why in turn.give_back(prove=not proven).values():
            self.view.say(self.name, f"{why}; it is back there by itself when its lease ends")
        if self._undrained_s:  # the next of the service may not be out before this one is in
            gevent.sleep(self._undrained_s)


def observed(ranks: Sequence[Rank], *, load: bool) -> Observed:
    """What all processes of a replica answer, and what the checks say of it."""
    seen, results = {}, []
    for rank in ranks:
        own, judged = rank.observe(load=load)
        seen[rank.host.name] = own
        results += judged
    return seen, results


def stop_all(ranks: Sequence[Rank]) -> None:
    """Where a replica has several processes: all of them end before one is started."""
    if len(ranks) > 1:
        for rank in ranks:
            rank.stop()


def as_planned(ranks: Sequence[Rank]) -> None:
    """Have every process be what it is planned to be."""
    stop_all(ranks)
    for rank in ranks:
        rank.apply()


def as_before(ranks: Sequence[Rank]) -> None:
    """Have every process be what it was before; what it is becomes the way back from there."""
    stop_all(ranks)
    for rank in ranks:
        rank.restore(swap=True)


def anew(ranks: Sequence[Rank]) -> None:
    """Have every process started anew, as it is."""
    stop_all(ranks)
    for rank in ranks:
        rank.restart()


def _short(error: BaseException) -> str:
    return str(getattr(error, "what", "") or error or type(error).__name__)
