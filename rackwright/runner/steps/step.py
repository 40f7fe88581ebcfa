"""One replica's whole way: drained, waited for, changed, started, proven, given back.

Several that take one another's places go it together: all are out before one is changed.

Up to its change nothing is lost by an end, whatever ends it. From there on a fault puts back what
ran before. What a dead run left is known by the marks on the servers, and gone on with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import gevent

from rackwright.runner.operations import NotStarted
from rackwright.runner.steps import proof
from rackwright.runner.steps.draining import (
    PATIENCE_S,
    await_idle,
    await_what_is_on_its_way,
    undrained_s,
)
from rackwright.runner.steps.gates import Entry, Gates
from rackwright.runner.steps.marks import TROUBLE, Marks
from rackwright.runner.steps.rank import Rank
from rackwright.runner.steps.stages import Stage
from rackwright.runner.steps.terms import Observed, StepFailed, Terms, firsts, observed, short
from rackwright.runner.steps.undoing import left, undo
from rackwright.runner.steps.view import View
from rackwright.runner.turns_at_gateways import Turn, TurnWanted


@dataclass
class Step:
    """Of one replica, on all of its servers. ``change`` is what is done to them while it is out.

    The usual one has them as planned. With ``as_before`` nothing is to be different after it (a
    new start, a reboot): nothing is kept as a way back, nor put back. ``back`` are the processes
    as they were before, where it puts that back. Neither is judged by the plan. ``former`` are
    processes on servers that it leaves: stopped with the others, started again where it is put
    back; what it came to only now is then removed by ``take_away``. ``terms_of`` has the terms of
    each where ``ranks`` are of several replicas.
    """

    ranks: Sequence[Rank]
    gates: Gates
    view: View
    terms: Terms
    change: Callable[[Sequence[Rank]], None]
    as_before: bool = False
    back: Sequence[Rank] = ()
    former: Sequence[Rank] = ()
    take_away: Callable[[Rank], None] = Rank.stop
    terms_of: Mapping[str, Terms] = field(default_factory=dict)
    entries: dict[str, dict[str, Entry | None]] = field(default_factory=dict)
    marks: Marks = field(init=False)
    _undrained_s: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Its marks are of this run, until another's are found."""
        self.marks = Marks(self.ranks, self.terms.owner, self.view, self.former)

    @property
    def heads(self) -> list[Rank]:
        """Of each replica the process that answers first."""
        return firsts(self.ranks)

    @property
    def name(self) -> str:
        """The replica's, or all of theirs."""
        return " and ".join(rank.replica.name for rank in self.heads)

    @property
    def was(self) -> str:
        """For sentences that begin with its name."""
        return "were" if len(self.heads) > 1 else "was"

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
            what = "not changed" if untouched else "proven, but not given back"
            raise StepFailed(f"{self.name} {self.was} {what}: {error}", short(error)) from error

    def _in_turn(self) -> None:
        self.marks.stage = Stage.DRAIN
        try:
            with ExitStack() as held:
                turns = {
                    rank.replica.name: held.enter_context(self._turn(rank)) for rank in self.heads
                }
                before = self._drained(turns)
                self._changed(turns, before)
                self.marks.enter(Stage.RETURN)
                self._given_back(turns, before)
        except TROUBLE:
            if self.marks.stage in (Stage.DRAIN, Stage.WAIT):
                self.marks.leave()
            raise
        self.marks.end()
        for rank in self.heads:
            self.view.done(rank.replica.name)

    @contextmanager
    def _turn(self, rank: Rank) -> Iterator[Turn]:
        """One replica's; who drains it is said where no gateway does."""
        name, service = rank.replica.name, rank.replica.service.name
        terms = self.terms_of.get(name, self.terms)
        why = f"{terms.why}: drained"
        wanted = TurnWanted(name, self.marks.owner, why, terms.hold_s, terms.alone)
        self.view.enter(name, Stage.DRAIN)
        with self.gates.turn(wanted, partial(self.view.say, name), PATIENCE_S) as turn:
            if not turn.held:
                seconds = undrained_s(name, service, self.gates, self.view)
                self._undrained_s = max(self._undrained_s, seconds)
            yield turn

    def _drained(self, turns: Mapping[str, Turn]) -> Observed:
        """Wait for its requests, then look at it: what it was, once nobody uses it."""
        self.marks.enter(Stage.WAIT)
        for rank in firsts(self.marks.was):
            name = rank.replica.name
            in_flight = partial(_in_flight, turns[name], rank)
            if self._undrained_s:
                self.view.in_flight(name, in_flight())
            else:
                await_what_is_on_its_way(rank.replica.service.name, self.gates)
                await_idle(name, in_flight, self.view, self.terms)
        return observed(self.marks.was, load=False)

    def _changed(self, turns: Mapping[str, Turn], before: Observed) -> None:
        """Changed, started and proven; or as it was before, and StepFailed."""
        for turn in turns.values():
            turn.renew()
        had = bool(proof.serving(before[1]))
        if had and not (self.as_before or self.back):
            for rank in (*self.ranks, *self.former):  # without a way back nothing is changed
                rank.keep()
        self.marks.enter(Stage.CHANGE)
        try:
            self._change_and_prove(before)
        except TROUBLE as error:
            if self.as_before:
                left(self, error)
            undo(self, before, error, back=had or self.marks.resumed)

    def _change_and_prove(self, before: Observed) -> None:
        for rank in self.former:
            rank.stop()
        self.change(self.ranks)
        self.marks.enter(Stage.START)
        for rank in self.ranks:
            rank.wait()
        self.marks.enter(Stage.PROVE)
        self._prove(before)
        if not self.as_before:
            for rank in firsts(self.back or self.ranks):
                entries = self.entries.setdefault(rank.replica.name, {})
                self.gates.put(rank.replica, entries, rank.key_id())

    def _prove(self, before: Observed) -> None:
        if self.back:
            found = proof.silent(observed(self.back, load=False)[1])
        else:
            now = self.marks.was if self.as_before else self.ranks
            found = self._faults(before, observed(now, load=True))
        if found:
            what = f"it is not proven: {'; '.join(found)}"
            raise NotStarted("\n".join([what, *self._errors_in_logs()]), what)

    def _errors_in_logs(self) -> Iterator[str]:
        """What its processes wrote: the cause, where a check can only say what does not work."""
        for rank in self.ranks:
            error = ""
            with suppress(*TROUBLE):
                error = rank.error_in_log()
            if error:
                whose = f"{rank.replica.name} on {rank.host.name}"
                yield f"  First error in the log of {whose}: {error}"

    def _faults(self, before: Observed, after: Observed) -> list[str]:
        judge = proof.worse if self.as_before else proof.faults
        found = judge(before[1], after[1])
        slow = (proof.slower(before[0].get(key, {}), now) for key, now in after[0].items())
        return [*found, *filter(None, slow)]

    def _given_back(self, turns: Mapping[str, Turn], before: Observed) -> None:
        """In at once where it was proven here; else once it completes a gateway's own request."""
        proven = not self.back and (not self.as_before or proof.served(before[1]))
        for name, turn in turns.items():
            for why in turn.give_back(prove=not proven).values():
                self.view.say(name, f"{why}; it is back there by itself when its lease ends")
        if self._undrained_s:  # the next of the service may not be out before this one is in
            gevent.sleep(self._undrained_s)


def _in_flight(turn: Turn, rank: Rank) -> int:
    """As gateways count them, or the engine, which may have others: the larger number."""
    return max(turn.in_flight(), rank.running() or 0)
