"""Replicas taken out of traffic one after another, interrupted, proven, and given back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.desired import paths
from rackwright.desired.items import Unit, query
from rackwright.errors import HostError
from rackwright.plan import Replica
from rackwright.runner.absences import Absence, absences, refuse_absence
from rackwright.runner.asking import reach
from rackwright.runner.fleet import FleetRun
from rackwright.runner.looking import STATE
from rackwright.runner.named_replicas import ranks_of
from rackwright.runner.rebooting import REBOOTS
from rackwright.runner.remote_call import call
from rackwright.runner.steps.changing import anew
from rackwright.runner.steps.gates import Gates
from rackwright.runner.steps.marks import TROUBLE
from rackwright.runner.steps.owners import new_owner
from rackwright.runner.steps.rank import Rank
from rackwright.runner.steps.step import Step
from rackwright.runner.steps.terms import StepFailed, Terms
from rackwright.runner.steps.view import View
from rackwright.runner.turns_at_gateways import states_at_gateways

HOLD_S = 600
"""How long requests wait for a service's only replica: as long as OpenAI's libraries do."""


@dataclass(frozen=True)
class Interrupting:
    """Of one run: ``why`` is what people read beside a replica, ``say`` hears a line of one."""

    fleet: FleetRun
    inventory: Inventory
    why: str
    say: Callable[[str, str], None]

    def absences(self, names: Sequence[str]) -> list[Absence]:
        """Services that would have no replica in. Raises HostError where a gateway is silent."""
        return list(absences(states_at_gateways(self.fleet, self.inventory), names))

    def permit(self, names: Sequence[str], *, force: bool) -> None:
        """Raise RefusedError where a service would have no replica in; with ``force`` say so."""
        found = self.absences(names)
        if not force:
            refuse_absence(found)
        for absence in found:
            self.say(absence.service, f"{absence}: its requests wait up to {HOLD_S} s")

    def running(self, server: str) -> list[str]:
        """Replicas of which a process runs on a server, by name. Raises HostError."""
        units = {one.name: self._unit(one) for one in self.fleet.plan.on(server)}
        if not units:
            return []
        host = reach(self.inventory, server)
        question = {"do": "observe", "items": query(list(units.values()))}
        seen = call(host, STATE, question, kind=list)
        pairs = zip(units, seen, strict=True)
        return [name for name, one in pairs if one and one["active"] == "active"]

    def restart(self, name: str) -> None:
        """Start a replica anew as it is. Raises StepFailed."""
        absent = {one.service for one in self.absences([name])}
        self._step(name, new_owner(), absent, anew).run()

    def around(self, server: str, names: Sequence[str], interrupt: Callable[[], None]) -> None:
        """Interrupt replicas of a server all together, once each is drained.

        ``interrupt`` stops what runs on the server itself, and has it started again. Processes of
        these replicas on other servers are stopped before it, and started after it. Raises
        StepFailed; nothing is interrupted where one could not be drained.
        """
        if not names:
            interrupt()
            return
        ranks: list[Rank] = []
        # The first of a service keeps everybody else out of it, unless the service is absent then.
        together = {one.service for one in self.absences(names)}

        def between() -> None:
            _between([rank for rank in ranks if rank.host.name != server], interrupt)

        self._around(names, new_owner(), together, ranks, between)

    def _around(
        self,
        names: Sequence[str],
        owner: str,
        together: Collection[str],
        ranks: list[Rank],
        interrupt: Callable[[], None],
    ) -> None:
        """Each within the step of the one before."""
        first, *rest = names

        def drained(own: Sequence[Rank]) -> None:
            ranks.extend(own)
            if rest:
                done = {*together, own[0].replica.service.name}
                self._around(rest, owner, done, ranks, interrupt)
            else:
                interrupt()

        self._step(first, owner, together, drained).run()

    def _step(
        self,
        name: str,
        owner: str,
        together: Collection[str],
        change: Callable[[Sequence[Rank]], None],
    ) -> Step:
        """``together``: services of which others may be out meanwhile."""
        planned = ranks_of(self.fleet.plan, name)
        alone = planned[0].service.name not in together
        drain_s = self.fleet.settings(planned[0].server.name).drain_timeout_s
        terms = Terms(owner, drain_s, alone, 0 if alone else HOLD_S, self.why)
        gates = Gates(self.fleet, self.inventory)
        ranks = [self._rank(one) for one in planned]
        return Step(ranks, gates, View(self.say), terms, change, as_before=True)

    def _rank(self, replica: Replica) -> Rank:
        """A process as it runs: what is planned of it may not be there yet."""
        name = replica.server.name
        host = reach(self.inventory, name)
        settings, unit = self.fleet.settings(name), self._unit(replica)
        return Rank(host, replica, settings, (unit,), self.fleet.spec.accepted)

    def _unit(self, replica: Replica) -> Unit:
        timeout_s = self.fleet.settings(replica.server.name).start_timeout_s
        return Unit(paths.unit_name(replica), start_timeout_s=timeout_s)


def _between(elsewhere: Sequence[Rank], interrupt: Callable[[], None]) -> None:
    """Whatever becomes of it: what ran elsewhere is told to start again."""
    for rank in elsewhere:
        rank.stop()
    try:
        interrupt()
    except HostError as error:
        raise StepFailed(str(error), str(error), getattr(error, "remedy", "")) from error
    finally:
        for rank in elsewhere:
            with suppress(*TROUBLE):
                rank.restart()


def out_of_traffic(fleet: FleetRun, host: Host, why: str, interrupt: Callable[[], None]) -> None:
    """Interrupt a host in a deploy, its replicas drained before and proven after it.

    One host of a run at a time. Raises HostError; Stopped after one that failed.
    """
    interrupting = Interrupting(
        fleet, host.inventory, why, lambda name, words: host.log(f"  {name}: {words}")
    )
    with REBOOTS.take(host):
        names = interrupting.running(host.name)
        if names:
            interrupting.permit(names, force=True)
        interrupting.around(host.name, names, interrupt)
