"""How one step of a run is taken: of which processes, on what terms, watched after it or not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import gevent
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.plan import Replica
from rackwright.planning.beside import BESIDE, stand_in
from rackwright.runner.asking import reach
from rackwright.runner.fleet import FleetRun
from rackwright.runner.named_replicas import ranks_of
from rackwright.runner.steps import absence, canary
from rackwright.runner.steps.changing import as_before, as_planned
from rackwright.runner.steps.gates import Gates
from rackwright.runner.steps.options import options
from rackwright.runner.steps.order import Pending, Way
from rackwright.runner.steps.owners import new_owner
from rackwright.runner.steps.pending import is_alone
from rackwright.runner.steps.rank import Rank
from rackwright.runner.steps.removal import remove, start, take_away
from rackwright.runner.steps.step import Step
from rackwright.runner.steps.terms import StepFailed, Terms
from rackwright.runner.steps.view import View
from rackwright.runner.steps.work import Work

Prepare = Callable[[Host], Work]
CANARY_POLL_S = 2.0


@dataclass
class Taking:
    """Of one run, by whom and with what is known of the servers (``works``, by name).

    ``prepare`` looks at a server that has a process of a replica. ``pending`` are all steps of the
    run, ``watched`` says that no canary is to be watched any more.
    """

    fleet: FleetRun
    inventory: Inventory
    gates: Gates
    view: View
    prepare: Prepare
    works: dict[str, Work] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)
    owner: str = field(default_factory=new_owner)
    watched: bool = field(default_factory=lambda: not options().canary)

    def act(self, one: Pending) -> None:
        """Take this one. Raises HostError, StepFailed of one that was changed."""
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
            if not self.watched:
                self._watch(one, ranks)

    def _change(self, one: Pending) -> Callable[[Sequence[Rank]], None]:
        """As planned; on a server that it spanned until now, its process goes first."""
        works = [self.works[host] for host in one.hosts if host in self.works]
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
        if one.beside and (name := one.name.removesuffix(BESIDE)) in planned:
            rank = self._rank(ranks_of(self.fleet.plan, name)[0])
            rank.must_be_free(self.owner)
        remove(one.name, one.service, works, self.gates, self.view, self._terms(one))

    def _terms(self, one: Pending, ranks: Sequence[Rank] = ()) -> Terms:
        """Where its requests have nowhere to go, they wait, and the operator is told how long."""
        settings = self.fleet.settings(one.hosts[0])
        stays = any(r.service.name == one.service for r in self.fleet.plan.replicas)
        terms = Terms(self.owner, settings.drain_timeout_s, stays and not one.together)
        if not ranks or one.out or not is_alone(one, self.fleet.plan, self.pending):
            return terms
        last_s = ranks[0].last_start_s()
        self.view.say(one.name, absence.words(one.service, last_s, settings.start_timeout_s))
        return replace(terms, hold_s=absence.hold_s(last_s, settings.start_timeout_s))

    def _watch(self, one: Pending, ranks: Sequence[Rank]) -> None:
        """The first that was changed, beside the others. Raises StepFailed once it is put back."""
        self.watched = True
        canary_s = self.fleet.settings(one.hosts[0]).canary_s
        others = {r.name for r in self.fleet.plan.replicas if r.service.name == one.service}
        others.discard(one.name)  # each of its processes is a replica of the plan
        self.view.say(one.name, f"is watched for {canary_s} s before the next")
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
        if name not in self.works:  # outside the limit of this run
            self.works[name] = self.prepare(reach(self.inventory, name))
        return self.works[name]
