"""How one step of a run is taken: of which processes, on what terms, watched after it or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.errors import HostError
from rackwright.plan import Replica
from rackwright.planning.beside import BESIDE, stand_in
from rackwright.runner.absences import absences
from rackwright.runner.asking import reach
from rackwright.runner.fleet import FleetRun
from rackwright.runner.named_replicas import ranks_of
from rackwright.runner.steps import absence
from rackwright.runner.steps.at_once import put_as_planned
from rackwright.runner.steps.canary_watch import watch
from rackwright.runner.steps.changing import as_planned
from rackwright.runner.steps.gates import Gates
from rackwright.runner.steps.options import options
from rackwright.runner.steps.order import Pending, Way
from rackwright.runner.steps.owners import new_owner
from rackwright.runner.steps.pending import is_alone, replaced_by
from rackwright.runner.steps.rank import Rank
from rackwright.runner.steps.removal import remove, start, take_away
from rackwright.runner.steps.step import Step
from rackwright.runner.steps.terms import Terms
from rackwright.runner.steps.view import View
from rackwright.runner.steps.work import Work
from rackwright.runner.turns_at_gateways import states_at_gateways

Prepare = Callable[[Host], Work]


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

    def act(self, group: Sequence[Pending]) -> None:
        """Take this step, or those that are taken as one. Raises HostError, StepFailed."""
        one = group[0]
        if one.way is Way.REMOVE:
            self._remove(one)
        elif one.way is Way.START:
            if one.name in self.work(one.hosts[0]).leaving:  # a dead run's: it may have requests
                self._remove(one)
            self._clear(one)
            ranks = self._ranks(one)
            if one.has and not one.beside:  # it was there, and a gateway may not know yet it died
                put_as_planned(ranks[0].replica, ranks[0].settings, self.gates)
            start(ranks, self.gates, self.view)
            for rank in ranks:  # kept once verify has proven it
                self.fleet.started.setdefault(rank.host.name, set()).add(one.name)
        else:
            self._step(group)

    def _step(self, group: Sequence[Pending]) -> None:
        one = group[0]
        if len(group) > 1:
            self._permit(group)
        terms = {each.name: self._terms(each, self._ranks(each)) for each in group}
        for before, each in enumerate(group):  # the first of a service keeps others out of it
            if each.service in (earlier.service for earlier in group[:before]):
                terms[each.name] = replace(terms[each.name], alone=False)
        ranks = [rank for each in group for rank in self._ranks(each)]

        def change(ranks: Sequence[Rank]) -> None:
            for each in group:
                self._clear(each)
            as_planned(ranks)

        how: dict[str, Any] = {"terms_of": terms, "former": self._former(group)}
        how["take_away"] = lambda rank: take_away(rank.replica.name, self.work(rank.host.name))
        Step(ranks, self.gates, self.view, terms[one.name], change, **how).run()
        for rank in ranks:  # the next of the service may be alike
            rank.keep_seed()
        for rank in how["former"]:
            how["take_away"](rank)
        if not self.watched:
            self.watched = True
            watch(self, group, ranks, terms)

    def _permit(self, group: Sequence[Pending]) -> None:
        """Say that they are out together. Raises HostError where a service has no other one in."""
        names = [one.name for one in group]
        words = f"{' and '.join(names)} take one another's ports or GPUs: they are out together"
        self.view.say(names[0], words)
        lost = absences(states_at_gateways(self.fleet, self.inventory), names)
        wants_all = {one.service for one in group if one.together}
        if found := [str(one) for one in lost if one.others and one.service not in wants_all]:
            raise HostError(f"{' and '.join(names)} were not touched: {'; '.join(found)}")

    def _former(self, group: Sequence[Pending]) -> list[Rank]:
        """Processes on servers that a replica spanned until now, and does no more."""
        return [
            Rank(work.host, ranks_of(self.fleet.plan, one.name)[0], work.settings, ())
            for one in group
            for work in map(self.work, one.hosts)
            if one.name in work.leaving
        ]

    def _clear(self, one: Pending) -> None:
        """Stop what is in its place and serves nobody; it is changed itself after this one."""
        for other in self.pending:
            waits = other.way is Way.START and not other.beside and other.name not in self.view.rows
            if waits and other.name != one.name and (both := sorted(other.has & one.takes)):
                words = f"{other.name} does not serve, and is stopped: it has {' and '.join(both)}"
                self.view.say(one.name, words)
                for rank in self._ranks(other):
                    rank.stop()

    def _remove(self, one: Pending) -> None:
        """One that stands in for another may be another run's, which changes that now."""
        works = [self.work(host) for host in one.hosts]
        planned, ranks = {rank.name for rank in works[0].planned}, list[Rank]()
        if one.beside and (name := one.name.removesuffix(BESIDE)) in planned:
            rank = self._rank(ranks_of(self.fleet.plan, name)[0])
            rank.must_be_free(self.owner)
            ranks = self._ranks(one)
        waiting = [each for each in self.pending if each.name not in self.view.rows]
        if coming := replaced_by(one, self.fleet.plan, waiting):
            limit_s = self.fleet.settings(one.hosts[0]).start_timeout_s
            self.view.say(one.name, absence.words_of_a_move(one.service, coming, limit_s))
        remove(one.name, one.service, works, self.gates, self.view, self._terms(one), ranks)

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

    def _ranks(self, one: Pending) -> list[Rank]:
        """Its processes, the one that answers first."""
        plan = self.fleet.plan
        if one.beside:
            copy = stand_in(plan, ranks_of(plan, one.name.removesuffix(BESIDE))[0])
            return [self._rank(copy)] if copy else []
        return [self._rank(rank) for rank in ranks_of(plan, one.name)]

    def _rank(self, replica: Replica) -> Rank:
        work = self.work(replica.server.name)
        items = work.items.get(replica.name) or work.make(replica)
        return Rank(work.host, replica, work.settings, items, self.fleet.spec.accepted)

    def work(self, name: str) -> Work:
        """What differs on a server; it is looked at where the run has not done so."""
        if name not in self.works:  # all as planned there, or outside the limit of this run
            self.works[name] = self.prepare(reach(self.inventory, name))
        return self.works[name]
