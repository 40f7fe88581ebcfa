"""All steps of a run, in order: begun as others end, none after one that failed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from weakref import WeakKeyDictionary

import gevent
from gevent.lock import RLock
from gevent.queue import SimpleQueue
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.runner.fleet import FleetRun
from rackwright.runner.progress import heard_first
from rackwright.runner.steps.ending import finish, tell_summary
from rackwright.runner.steps.exchanges import with_exchanges
from rackwright.runner.steps.expected import Expected, expected
from rackwright.runner.steps.gates import Gates, States
from rackwright.runner.steps.options import options
from rackwright.runner.steps.order import Pending, Way, group_of, startable
from rackwright.runner.steps.pending import pending_of
from rackwright.runner.steps.places import with_places
from rackwright.runner.steps.taking import Prepare, Taking
from rackwright.runner.steps.view import View
from rackwright.runner.steps.work import Work


class Rollout:
    """The steps of one run. ``prepare`` looks at a server that has a process of a replica."""

    def __init__(
        self,
        fleet: FleetRun,
        inventory: Inventory,
        prepare: Prepare,
        known: Expected | None = None,
    ) -> None:
        """Nothing is asked yet, but what is ``known`` of servers that were looked at."""
        self.fleet, self.inventory = fleet, inventory
        self.gates, self.view = Gates(fleet, inventory), View(self._say)
        self._taking = Taking(fleet, inventory, self.gates, self.view, prepare)
        known = known or Expected()
        self.failed, self._left = known.failed, known.left
        self._before: States = {}
        self._untouched: list[Pending] = []
        self._alone = RLock()

    def add(self, work: Work) -> None:
        """A server whose other changes are made."""
        self._taking.works[work.host.name] = work

    def carry_out(self, host: Host) -> list[str]:
        """All steps there are, unless another host's call has. Why this host fails, in words."""
        with self._alone:
            known = self._taking.works.items()
            if works := {name: work for name, work in known if work.later or work.leaving}:
                self._before = self.gates.states()
                pending = self._placed(self._wanted(works))
                if pending:
                    self.gates.learn()
                self._taking.pending += pending
                self._run(pending)
        return list(self._faults(host.name))

    def _wanted(self, works: dict[str, Work]) -> list[Pending]:
        """Without steps that a server which is left alone would have to take part in."""
        steps = pending_of(self.fleet.plan, works, self._before)
        wanted = [one for one in steps if not self._left & set(one.hosts)]
        for name in works.keys() - {host for one in wanted for host in one.hosts}:
            del self._taking.works[name]
        return wanted

    def _placed(self, wanted: Sequence[Pending]) -> list[Pending]:
        """With the ports and GPUs of each, and who waits for whose."""
        return with_exchanges(with_places(wanted, self.fleet.plan, self._taking.work))

    def _faults(self, host: str) -> Iterator[str]:
        here = {one.name for one in self._taking.pending if host in one.hosts}
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
            for group in _groups(begun[len(running) :]):
                for one in group:
                    todo.remove(one)
                gevent.spawn(self._take, group, ended)
            over = ended.get()
            running = [one for one in begun if one not in over]
        if ticker:
            ticker.kill()
        self._untouched += todo
        tell_summary(self.view, self.gates, self._before, self.failed, todo)
        left = {one.name for one in self._untouched} | self.failed.keys()
        self.failed.update(finish(pending, self._taking.works, left))

    def _tick(self) -> None:
        """The moving line of a terminal; whatever is printed next makes way for it."""
        while True:
            heard_first().show(self.view.line())
            gevent.sleep(1)

    def _next(self, todo: Sequence[Pending], running: Sequence[Pending]) -> list[Pending]:
        """After a failure only what stood in for another ends: it was never planned."""
        if not self.failed:
            at_once = options().at_once if self._taking.watched else 1
            return startable(todo, running, at_once)
        if running:
            return []
        goes = (one for one in todo if one.beside and one.way is Way.REMOVE)
        return [one for one in goes if one.name in self.view.rows][:1]

    def _take(self, group: Sequence[Pending], ended: SimpleQueue) -> None:
        try:
            self._taking.act(group)
        except Exception as error:  # also a fault of ours: nothing goes on after it
            self.failed.update({one.name: error for one in group})
            self._say(group[0].name, str(error))
        finally:
            for one in group:
                self.view.over(one.name)
            ended.put(group)

    def _say(self, name: str, words: str) -> None:
        hosts = [one.hosts[0] for one in self._taking.pending if one.name == name]
        host = self.inventory.get_host(hosts[0])
        for number, line in enumerate(words.splitlines()):
            host.log(f"  {line}" if number else f"  {name}: {line}")


def _groups(begun: Sequence[Pending]) -> list[list[Pending]]:
    """Steps that are taken as one; most by themselves."""
    found = {frozenset(one.exchange or {one.name}): group_of(one, begun) for one in reversed(begun)}
    return list(found.values())[::-1]


_rollouts: WeakKeyDictionary[Inventory, Rollout] = WeakKeyDictionary()


def rollout_of(fleet: FleetRun, inventory: Inventory, prepare: Prepare) -> Rollout:
    """The steps of this run, made on the first call."""
    if inventory not in _rollouts:
        _rollouts[inventory] = Rollout(fleet, inventory, prepare, expected(inventory))
    return _rollouts[inventory]
