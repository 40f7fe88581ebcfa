"""All steps of a run, in order: begun as others end, none after one that failed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any
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
from rackwright.report.table import table_text
from rackwright.runner.fleet import FleetRun
from rackwright.runner.remote_call import call
from rackwright.runner.steps.gates import Gates, failures, is_out, replicas_in
from rackwright.runner.steps.kinds import Kind, kind_of
from rackwright.runner.steps.options import options
from rackwright.runner.steps.order import Pending, Way, startable
from rackwright.runner.steps.owners import new_owner
from rackwright.runner.steps.rank import Rank
from rackwright.runner.steps.removal import remove, start
from rackwright.runner.steps.step import TROUBLE, Step, Terms, as_planned
from rackwright.runner.steps.view import View
from rackwright.runner.steps.work import Work

Prepare = Callable[[Host], Work]
States = dict[str, dict[str, Any]]
HEADINGS = ("REPLICA", "STEP", "SECONDS", "AWAY", "REQUESTS LOST")
NUMBERS = HEADINGS[2:]


class Rollout:
    """The steps of one run. ``prepare`` looks at a server that has a process of a replica."""

    def __init__(self, fleet: FleetRun, inventory: Inventory, prepare: Prepare) -> None:
        """Nothing is asked yet."""
        self.fleet, self.inventory, self._prepare = fleet, inventory, prepare
        self.gates, self.owner = Gates(fleet, inventory), new_owner()
        self.view = View(self._say)
        self.failed: dict[str, Exception] = {}
        self.started: list[Replica] = []
        self._expected: dict[str, bool] = {}
        self._left: set[str] = set()
        self._works: dict[str, Work] = {}
        self._hosts: dict[str, tuple[str, ...]] = {}
        self._untouched: dict[str, Pending] = {}
        self._before: States = {}
        self._alone = RLock()

    @property
    def stopped(self) -> bool:
        """Whether a step failed: then gateways go on with what they know."""
        return bool(self.failed)

    def expect(self, work: Work) -> None:
        """A server that was looked at: it has steps to take where ``concerns`` says so."""
        self._expected[work.host.name] = bool(work.later or work.leaving)

    def concerns(self, host: Host) -> bool:
        """Whether a server has steps to take."""
        return self._expected.get(host.name, False)

    def leave(self, host: Host) -> None:
        """A server whose replicas stay as they are, on other servers too."""
        self._left.add(host.name)

    def add(self, work: Work) -> None:
        """A server whose other changes are made."""
        self._works[work.host.name] = work

    def carry_out(self, host: Host) -> list[str]:
        """All steps there are, unless another host's call has. Why this host fails, in words."""
        with self._alone:
            if pending := self._pending():
                self._run(pending)
        return list(self._faults(host.name))

    def _faults(self, host: str) -> Iterator[str]:
        for name, error in self.failed.items():
            if host in self._hosts.get(name, ()):
                yield str(error)
        for name, one in self._untouched.items():
            if host in one.hosts:
                yield f"{name} was not touched: {', '.join(self.failed)} failed before it"

    # --- what is to be done ------------------------------------------------------------------

    def _pending(self) -> list[Pending]:
        """Of all servers that were added since the last time."""
        works = [work for work in self._works.values() if work.later or work.leaving]
        if not works:
            return []
        self._before = states = self.gates.states()
        found = {one.name: one for work in works for one in self._of(work, states)}
        for one in found.values():
            self._hosts[one.name] = one.hosts
        order = {one.name: number for number, one in enumerate(self.fleet.plan.replicas)}
        return sorted(found.values(), key=lambda one: order.get(one.name, len(order)))

    def _of(self, work: Work, states: States) -> Iterator[Pending]:
        for name in work.leaving:
            yield Pending(name, self._service_of(name, states), Way.REMOVE, (work.host.name,))
        for name in work.later:
            ranks = [one for one in self.fleet.plan.replicas if one.name == name]
            service, hosts = ranks[0].service, tuple(one.server.name for one in ranks)
            if self._left & set(hosts):
                continue
            steps = any(
                kind_of(self._works[host].own.get(name, ())) is Kind.STEP
                for host in hosts
                if host in self._works
            )
            way = Way.CHANGE if steps else Way.START
            together = service.rollout == "all"
            yield Pending(name, service.name, way, hosts, together, is_out(states, name))

    def _service_of(self, name: str, states: States) -> str:
        """Of a replica that is planned no more: as gateways have it, else by its name."""
        for said in states.values():
            for service in said.get("services") or {}:
                if replicas_in({"": {"services": {service: said["services"][service]}}}, name):
                    return str(service)
        return name.rsplit("-", 2)[0]

    # --- doing it ----------------------------------------------------------------------------

    def _run(self, pending: list[Pending]) -> None:
        """Begin what may be, until all have ended or one has failed and the others have ended."""
        todo, ended = list(pending), SimpleQueue()
        running: dict[str, Pending] = {}
        while todo or running:
            begun = (
                [] if self.failed else startable(todo, list(running.values()), options().at_once)
            )
            for one in begun:
                todo.remove(one)
                running[one.name] = one
                gevent.spawn(self._take, one, ended)
            if not running:
                break
            done: Pending = ended.get()
            del running[done.name]
        self._untouched |= {one.name: one for one in todo}
        self._tell()
        self._finish({host for one in pending for host in one.hosts})

    def _tell(self) -> None:
        """What became of each: seconds, and requests that it lost by what gateways count."""
        try:
            now = self.gates.states()
        except TROUBLE:
            now = {}
        rows = list(rows_of(self.view, self._before, now, self.failed, self._untouched))
        tell(f"\n{table_text(HEADINGS, rows, NUMBERS)}\n", err=True)

    def _take(self, one: Pending, ended: SimpleQueue) -> None:
        try:
            self._act(one)
        except TROUBLE as error:
            self.failed[one.name] = error
            self._say(one.name, str(error))
        finally:
            ended.put(one)

    def _act(self, one: Pending) -> None:
        if one.way is Way.REMOVE:
            work = self._works[one.hosts[0]]
            remove(one.name, one.service, work, self.gates, self.view, self._terms(one))
        elif one.way is Way.START:
            start(self._ranks(one), self.gates, self.view)
        else:
            Step(self._ranks(one), self.gates, self.view, self._terms(one), as_planned).run()

    def _terms(self, one: Pending) -> Terms:
        others = [
            r for r in self.fleet.plan.replicas if r.service.name == one.service and r.answers
        ]
        settings = self.fleet.settings(one.hosts[0])
        alone = not one.together and bool(others)
        return Terms(self.owner, settings.drain_timeout_s, alone)

    def _ranks(self, one: Pending) -> list[Rank]:
        """Its processes, the one that answers first."""
        ranks = [r for r in self.fleet.plan.replicas if r.name == one.name]
        return [self._rank(r) for r in sorted(ranks, key=lambda r: not r.answers)]

    def _rank(self, replica: Replica) -> Rank:
        name = replica.server.name
        if name not in self._works:  # outside the limit of this run
            self._works[name] = self._prepare(self._reached(name))
        work = self._works[name]
        return Rank(work.host, replica, work.settings, work.items[replica.name])

    def _reached(self, name: str) -> Host:
        host = self.inventory.get_host(name)
        host.connect(show_errors=False, raise_exceptions=True)
        return host

    def _finish(self, hosts: set[str]) -> None:
        """What no unit needs any more goes, on servers where all steps have ended well."""
        unwell = {h for name in (*self.failed, *self._untouched) for h in self._hosts[name]}
        for name in hosts:
            work = self._works.pop(name, None)
            if work and name not in unwell:
                self._apply_last(work)

    def _apply_last(self, work: Work) -> None:
        try:
            apply_now(work.host, work.last)
        except TROUBLE as error:
            self.failed[work.host.name] = error
            self._hosts[work.host.name] = (work.host.name,)

    def _say(self, name: str, words: str) -> None:
        first = self._hosts.get(name, ("",))[0]
        self.inventory.get_host(first).log(f"  {name}: {words}")


def apply_now(host: Host, changes: list[Change]) -> None:
    """Make changes that start nothing. Raises HostError."""
    if changes:
        said = call(host, "state", {"do": "apply", "items": payload(changes)}, kind=dict)
        if error := said.get("error"):
            raise HostError(f"{host.name}: {error}")


def rows_of(
    view: View, before: States, now: States, failed: Collection[str], untouched: Collection[str]
) -> Iterator[tuple[str, str, int | None, int | None, int | None]]:
    """A row a replica: whether its step was done, its seconds, those without it, requests lost."""
    for name, row in view.rows.items():
        lost = failures(now, name) - failures(before, name) if replicas_in(now, name) else None
        state = "failed" if name in failed else "done"
        yield name, state, round(row.seconds), round(row.absent_s), lost
    for name in untouched:
        yield name, "not touched", None, None, None


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
