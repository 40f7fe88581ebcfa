"""Replicas taken out of traffic one after another, interrupted, proven, and given back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.runner.absences import Absence, absences
from rackwright.runner.fleet import FleetRun
from rackwright.runner.named_replicas import ranks_of
from rackwright.runner.rebooting import REBOOTS
from rackwright.runner.remote_call import call
from rackwright.runner.steps.gates import Gates
from rackwright.runner.steps.interruption import Interruption, running_rank
from rackwright.runner.steps.owners import new_owner
from rackwright.runner.steps.rank import Rank
from rackwright.runner.steps.step import TROUBLE, StepFailed, Terms
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

    def running(self, server: str) -> list[str]:
        """Replicas of which a process runs on a server, by name. Raises HostError."""
        ranks = [running_rank(self._gates, one) for one in self.fleet.plan.on(server)]
        return [rank.replica.name for rank in ranks if rank.is_active()]

    def restart(self, name: str) -> None:
        """Start a replica anew as it is. Raises StepFailed."""
        absent = {one.service for one in self.absences([name])}
        self._step(name, new_owner(), absent, _restart).run()

    def around(self, names: Sequence[str], interrupt: Callable[[], None]) -> None:
        """Interrupt replicas all together, once each is drained: ``interrupt`` is to be between.

        Their processes are stopped before it, on all of their servers, and started after it.
        Raises StepFailed; nothing is interrupted where one could not be drained.
        """
        if not names:
            interrupt()
            return
        ranks: list[Rank] = []
        # The first of a service keeps everybody else out of it, unless the service is absent then.
        together = {one.service for one in self.absences(names)}
        self._around(names, new_owner(), together, ranks, lambda: _between(ranks, interrupt))

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
    ) -> Interruption:
        """``together``: services of which others may be out meanwhile."""
        planned = ranks_of(self.fleet.plan, name)
        alone = planned[0].service.name not in together
        drain_s = self.fleet.settings(planned[0].server.name).drain_timeout_s
        terms = Terms(owner, drain_s, alone, 0 if alone else HOLD_S, self.why)
        ranks = [running_rank(self._gates, one) for one in planned]
        return Interruption(ranks, self._gates, View(self.say), terms, change)

    @property
    def _gates(self) -> Gates:
        return Gates(self.fleet, self.inventory)


def _between(ranks: Sequence[Rank], interrupt: Callable[[], None]) -> None:
    """Whatever becomes of it: what ran before is told to start again."""
    _stop(ranks)
    try:
        interrupt()
    except TROUBLE as error:
        with suppress(*TROUBLE):
            _start(ranks)
        raise StepFailed(str(error), _what(error), getattr(error, "remedy", "")) from error
    _start(ranks)


def _what(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _restart(ranks: Sequence[Rank]) -> None:
    """All ended before one is started: a process alone of several is none."""
    _stop(ranks)
    for rank in ranks:
        rank.restart()


def _stop(ranks: Sequence[Rank]) -> None:
    for rank in ranks:
        rank.stop()


def _start(ranks: Sequence[Rank]) -> None:
    """What a boot has started already goes on."""
    for rank in ranks:
        call(rank.host, "driver", {"do": "start", "units": [rank.unit.key]})


def out_of_traffic(fleet: FleetRun, host: Host, why: str, interrupt: Callable[[], None]) -> None:
    """Interrupt a host in a deploy, its replicas drained before and proven after it.

    One host of a run at a time. Raises HostError; Stopped after one that failed.
    """
    interrupting = Interrupting(
        fleet, host.inventory, why, lambda name, words: host.log(f"  {name}: {words}")
    )
    with REBOOTS.take(host):
        names = interrupting.running(host.name)
        for absence in interrupting.absences(names) if names else ():
            host.log(f"  {absence}: its requests wait up to {HOLD_S} s")
        interrupting.around(names, interrupt)
