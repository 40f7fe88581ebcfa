"""One replica's whole way: drained, waited for, changed, started, proven, given back.

Up to its change nothing is lost by an end, whatever ends it. From there on a fault puts back what
ran before. What a dead run left is known by the marks on the servers, and gone on with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import gevent

from rackwright.runner.operations import NotStarted
from rackwright.runner.steps import proof
from rackwright.runner.steps.draining import PATIENCE_S, await_idle, undrained_s
from rackwright.runner.steps.gates import Entry, Gates
from rackwright.runner.steps.marks import TROUBLE, Marks
from rackwright.runner.steps.rank import Rank
from rackwright.runner.steps.stages import Stage
from rackwright.runner.steps.terms import Observed, StepFailed, Terms, observed, short
from rackwright.runner.steps.undoing import left, undo
from rackwright.runner.steps.view import View
from rackwright.runner.turns_at_gateways import Turn, TurnWanted


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
    marks: Marks = field(init=False)
    _undrained_s: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Its marks are of this run, until another's are found."""
        self.marks = Marks(self.ranks, self.terms.owner, self.view)

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
            self.marks.begin(needs=planned, anew=self.as_before)
            with self.marks.renewed():
                self._in_turn()
        except StepFailed:
            raise
        except TROUBLE as error:
            untouched = self.marks.stage is not Stage.RETURN
            what = "was not changed" if untouched else "is proven, and was not given back"
            raise StepFailed(f"{self.name} {what}: {error}", short(error)) from error

    def _in_turn(self) -> None:
        terms = self.terms
        why = f"{terms.why}: drained"
        wanted = TurnWanted(self.name, self.marks.owner, why, terms.hold_s, terms.alone)
        self.view.enter(self.name, Stage.DRAIN)
        self.marks.stage = Stage.DRAIN
        try:
            with self.gates.turn(wanted, self._hear, PATIENCE_S) as turn:
                self._undrained_s = 0 if turn.held else self._undrained()
                before = self._drained(turn)
                self._changed(turn, before)
                self.marks.enter(Stage.RETURN)
                self._given_back(turn, before)
        except TROUBLE:
            if self.marks.stage in (Stage.DRAIN, Stage.WAIT):
                self.marks.leave()
            raise
        self.marks.end()
        self.view.done(self.name)

    def _hear(self, words: str) -> None:
        self.view.say(self.name, words)

    def _undrained(self) -> int:
        return undrained_s(self.name, self.service, self.gates, self.view)

    def _drained(self, turn: Turn) -> Observed:
        """Wait for its requests, then look at it: what it was, once nobody uses it."""
        self.marks.enter(Stage.WAIT)
        if self._undrained_s:
            self.view.in_flight(self.name, self._in_flight(turn))
        else:
            await_idle(self.name, lambda: self._in_flight(turn), self.view, self.terms)
        return observed(self.marks.was, load=False)

    def _in_flight(self, turn: Turn) -> int:
        """As gateways count them, or the engine, which may have others: the larger number."""
        return max(turn.in_flight(), self.marks.was[0].running() or 0)

    def _changed(self, turn: Turn, before: Observed) -> None:
        """Changed, started and proven; or as it was before, and StepFailed."""
        turn.renew()
        had = proof.served(before[1])
        if had and not (self.as_before or self.back):
            for rank in self.ranks:  # without a way back nothing is changed, nor put back
                rank.keep()
        self.marks.enter(Stage.CHANGE)
        try:
            self.change(self.ranks)
            self.marks.enter(Stage.START)
            for rank in self.ranks:
                rank.wait()
            self.marks.enter(Stage.PROVE)
            self._prove(before)
            if not self.as_before:
                rank = (self.back or self.ranks)[0]
                self.gates.put(rank.replica, self.entries, rank.key_id())
        except TROUBLE as error:
            if self.as_before:
                left(self, error)
            undo(self, before, error, back=had or self.marks.resumed)

    def _prove(self, before: Observed) -> None:
        if self.back:
            found = proof.silent(observed(self.back, load=False)[1])
        else:
            now = self.marks.was if self.as_before else self.ranks
            found = self._faults(before, observed(now, load=True))
        if found:
            raise NotStarted(f"it is not proven: {'; '.join(found)}")

    def _faults(self, before: Observed, after: Observed) -> list[str]:
        judge = proof.worse if self.as_before else proof.faults
        found = judge(before[1], after[1])
        slow = (proof.slower(before[0][name], after[0][name]) for name in after[0])
        return [*found, *filter(None, slow)]

    def _given_back(self, turn: Turn, before: Observed) -> None:
        """In at once where it was proven here; else once it completes a gateway's own request."""
        proven = not self.back and (not self.as_before or proof.served(before[1]))
        for why in turn.give_back(prove=not proven).values():
            self.view.say(self.name, f"{why}; it is back there by itself when its lease ends")
        if self._undrained_s:  # the next of the service may not be out before this one is in
            gevent.sleep(self._undrained_s)
