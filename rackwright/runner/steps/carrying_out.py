"""All steps of a run, in order: begun as others end, none after one that failed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import gevent
from gevent.lock import RLock
from gevent.queue import SimpleQueue
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.desired.items import Change, payload
from rackwright.errors import HostError
from rackwright.exits import tell
from rackwright.plan import Replica
from rackwright.planning.beside import BESIDE, stand_in
from rackwright.runner.asking import reach
from rackwright.runner.fleet import FleetRun
from rackwright.runner.named_replicas import ranks_of
from rackwright.runner.progress import heard_first
from rackwright.runner.remote_call import call
from rackwright.runner.steps import absence, canary
from rackwright.runner.steps.gates import Gates, States
from rackwright.runner.steps.marks import TROUBLE
from rackwright.runner.steps.options import options
from rackwright.runner.steps.order import Pending, Way, startable
from rackwright.runner.steps.owners import new_owner
from rackwright.runner.steps.pending import is_alone, pending_of
from rackwright.runner.steps.rank import Rank
from rackwright.runner.steps.removal import remove, start, take_away
from rackwright.runner.steps.step import Step, StepFailed, Terms, as_before, as_planned
from rackwright.runner.steps.summary import summary
from rackwright.runner.steps.view import View
from rackwright.runner.steps.work import Work

Prepare = Callable[[Host], Work]
CANARY_POLL_S = 2.0


class Rollout:
    """The steps of one run. ``prepare`` looks at a server that has a process of a replica."""

    def __init__(self, fleet: FleetRun, inventory: Inventory, prepare: Prepare) -> None:
        """Nothing is asked yet."""
        self.fleet, self.inventory, self._prepare = fleet, inventory, prepare
        self.gates, self.owner = Gates(fleet, inventory), new_owner()
        self.view = View(self._say)
        self.failed: dict[str, Exception] = {}
        self._expected: dict[str, bool] = {}
        self._left: set[str] = set()
        self._works: dict[str, Work] = {}
        self._pending: list[Pending] = []
        self._before: States = {}
        self._untouched: list[Pending] = []
        self._watched = not options().canary
        self._alone = RLock()

    def expect(self, work: Work) -> None:
        """A server that was looked at: it has steps to take where ``concerns`` says so."""
        self._expected[work.host.name] = bool(work.later or work.leaving)

    def concerns(self, host: Host) -> bool:
        """Whether a server has steps to take."""
        return self._expected.get(host.name, False)

    def leave(self, host: Host) -> None:
        """A server whose replicas stay as they are, also their processes on other servers."""
        self._left.add(host.name)

    def add(self, work: Work) -> None:
        """A server whose other changes are made."""
        self._works[work.host.name] = work

    def carry_out(self, host: Host) -> list[str]:
        """All steps there are, unless another host's call has. Why this host fails, in words."""
        with self._alone:
            works = {name: work for name, work in self._works.items() if work.later or work.leaving}
            if works:
                self._before = self.gates.states()
                pending = self._wanted(works)
                if pending:
                    self.gates.learn()
                self._pending += pending
                self._run(pending)
        return list(self._faults(host.name))

    def _wanted(self, works: dict[str, Work]) -> list[Pending]:
        """Without steps that a server which is left alone would have to take part in."""
        steps = pending_of(self.fleet.plan, works, self._before)
        wanted = [one for one in steps if not self._left & set(one.hosts)]
        for name in works.keys() - {host for one in wanted for host in one.hosts}:
            del self._works[name]
        return wanted

    def _faults(self, host: str) -> Iterator[str]:
        here = {one.name for one in self._pending if host in one.hosts}
        for name, error in self.failed.items():
            if name in here or name == host:
                yield str(error)
        for one in self._untouched:
            if one.name in here and not one.beside:
                yield f"{one.name} was not touched: {', '.join(self.failed)} failed before it"

    def _run(self, pending: Sequence[Pending]) -> None:
        """Begin what may be, until all have ended or one has failed and the others have ended."""
        ticker = gevent.spawn(self._tick) if sys.stderr.isatty() else None
        todo, ended = list(pending), SimpleQueue()
        running: list[Pending] = []
        while begun := [*running, *self._next(todo, running)]:
            for one in begun[len(running) :]:
                todo.remove(one)
                gevent.spawn(self._take, one, ended)
            running = begun
            running.remove(ended.get())
        if ticker:
            ticker.kill()
        self._untouched += todo
        self._tell(todo)
        self._finish(pending)

    def _tick(self) -> None:
        """The moving line of a terminal; whatever is printed next makes way for it."""
        while True:
            heard_first().show(self.view.line())
            gevent.sleep(1)

    def _next(self, todo: Sequence[Pending], running: Sequence[Pending]) -> list[Pending]:
        """After a failure only what stood in for another ends: it was never planned."""
        if not self.failed:
            at_once = options().at_once if self._watched else 1
            return startable(todo, running, at_once)
        if running:
            return []
        goes = (one for one in todo if one.beside and one.way is Way.REMOVE)
        return [one for one in goes if one.name in self.view.rows][:1]

    def _take(self, one: Pending, ended: SimpleQueue) -> None:
        try:
            self._act(one)
        except Exception as error:  # also a fault of ours: nothing goes on after it
            self.failed[one.name] = error
            self._say(one.name, str(error))
        finally:
            self.view.over(one.name)
            ended.put(one)

    def _act(self, one: Pending) -> None:
        if one.way is Way.REMOVE:
            self._remove(one)
        elif one.way is Way.START:
            if one.name in self._work(one.hosts[0]).leaving:  # a dead run's: it may have requests
                self._remove(one)
            start(self._ranks(one), self.gates, self.view)
        else:
            ranks = self._ranks(one)
            change = self._change(one)
            Step(ranks, self.gates, self.view, self._terms(one, ranks), change).run()
            if not self._watched:
                self._watch(one, ranks)

    def _change(self, one: Pending) -> Callable[[Sequence[Rank]], None]:
        """As planned; on a server that it spanned until now, its process goes first."""
        works = [self._works[host] for host in one.hosts if host in self._works]
        former = [work for work in works if one.name in work.leaving]

        def change(ranks: Sequence[Rank]) -> None:
            for work in former:
                take_away(one.name, work)
            as_planned(ranks)

        return change

    def _remove(self, one: Pending) -> None:
        """One that stands in for another may be another run's, which changes that now."""
        works = [self._work(host) for host in one.hosts]
        planned = {rank.name for rank in works[0].planned}
        ranks: list[Rank] = []
        if one.beside and (name := one.name.removesuffix(BESIDE)) in planned:
            rank = self._rank(ranks_of(self.fleet.plan, name)[0])
            rank.must_be_free(self.owner)
            ranks = self._ranks(one)
        remove(one.name, one.service, works, self.gates, self.view, self._terms(one), ranks)

    def _terms(self, one: Pending, ranks: Sequence[Rank] = ()) -> Terms:
        """Where its requests have nowhere to go, they wait, and the operator is told how long."""
        settings = self.fleet.settings(one.hosts[0])
        stays = any(r.service.name == one.service for r in self.fleet.plan.replicas)
        terms = Terms(self.owner, settings.drain_timeout_s, stays and not one.together)
        if not ranks or one.out or not is_alone(one, self.fleet.plan, self._pending):
            return terms
        last_s = ranks[0].last_start_s()
        self._say(one.name, absence.words(one.service, last_s, settings.start_timeout_s))
        return replace(terms, hold_s=absence.hold_s(last_s, settings.start_timeout_s))

    def _watch(self, one: Pending, ranks: Sequence[Rank]) -> None:
        """The first that was changed, beside the others. Raises StepFailed once it is put back."""
        self._watched = True
        canary_s = self.fleet.settings(one.hosts[0]).canary_s
        others = {r.name for r in self.fleet.plan.replicas if r.service.name == one.service}
        others.discard(one.name)  # each of its processes is a replica of the plan
        self._say(one.name, f"is watched for {canary_s} s before the next")
        before, until = self.gates.states(), time.monotonic() + canary_s
        while time.monotonic() < until:
            gevent.sleep(CANARY_POLL_S)
            if why := canary.fault(before, self.gates.states(), one.name, others):
                self._back(one, ranks, why)

    def _back(self, one: Pending, ranks: Sequence[Rank], why: str) -> None:
        ways = [(rank, rank.way_back()) for rank in ranks]
        back = [rank.listening((way or {}).get("listens")) for rank, way in ways]
        terms = replace(self._terms(one, ranks), why="rollback")
        Step(ranks, self.gates, self.view, terms, as_before, back=back).run()
        words = f"{one.name} was worse than the others and runs what it ran before: {why}"
        raise StepFailed(words, why)

    def _ranks(self, one: Pending) -> list[Rank]:
        """Its processes, the one that answers first."""
        plan = self.fleet.plan
        if one.beside:
            copy = stand_in(plan, ranks_of(plan, one.name.removesuffix(BESIDE))[0])
            return [self._rank(copy)] if copy else []
        return [self._rank(rank) for rank in ranks_of(plan, one.name)]

    def _rank(self, replica: Replica) -> Rank:
        work = self._work(replica.server.name)
        items = work.items.get(replica.name) or work.make(replica)
        return Rank(work.host, replica, work.settings, items, self.fleet.spec.accepted)

    def _work(self, name: str) -> Work:
        if name not in self._works:  # outside the limit of this run
            self._works[name] = self._prepare(reach(self.inventory, name))
        return self._works[name]

    def _tell(self, untouched: Sequence[Pending]) -> None:
        try:
            now = self.gates.states()
        except TROUBLE:
            now = {}
        names = [one.name for one in untouched if not one.beside]
        tell(f"\n{summary(self.view, self._before, now, self.failed, names)}\n", err=True)

    def _finish(self, pending: Sequence[Pending]) -> None:
        """What no unit needs any more goes, on servers where all steps have ended well."""
        left = {one.name for one in self._untouched} | self.failed.keys()
        unwell = {host for one in pending if one.name in left for host in one.hosts}
        for name in {host for one in pending for host in one.hosts}:
            work = self._works.pop(name, None)
            if work and name not in unwell:
                self._apply_last(work)

    def _apply_last(self, work: Work) -> None:
        try:
            apply_now(work.host, work.last)
        except TROUBLE as error:
            self.failed[work.host.name] = error

    def _say(self, name: str, words: str) -> None:
        hosts = [one.hosts[0] for one in self._pending if one.name == name]
        self.inventory.get_host(hosts[0]).log(f"  {name}: {words}")


def apply_now(host: Host, changes: list[Change]) -> None:
    """Make changes that start nothing. Raises HostError."""
    if changes:
        said = call(host, "state", {"do": "apply", "items": payload(changes)}, kind=dict)
        if error := said.get("error"):
            raise HostError(f"{host.name}: {error}")


_rollouts: WeakKeyDictionary[Inventory, Rollout] = WeakKeyDictionary()


def rollout_of(fleet: FleetRun, inventory: Inventory, prepare: Prepare) -> Rollout:
    """The steps of this run, made on the first call."""
    if inventory not in _rollouts:
        _rollouts[inventory] = Rollout(fleet, inventory, prepare)
    return _rollouts[inventory]


def stopped(inventory: Inventory) -> str:
    """Words where a step of this run failed; empty otherwise."""
    rollout = _rollouts.get(inventory)
    return f"{', '.join(rollout.failed)} failed" if rollout and rollout.failed else ""
