"""A server in quarantine proven, and only then back: GPUs, links, a burn-in, its replicas."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import gevent
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.context import ctx_host

from rackwright import checks
from rackwright.checks.accepting import checks_of
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import CheckResult, Status
from rackwright.checks.server import gpu_memory, processes
from rackwright.checks.server import quarantine as quarantine_check
from rackwright.desired.items import Unit
from rackwright.desired.paths import unit_name
from rackwright.errors import HostError, RefusedError
from rackwright.runner.asking import connections, reach
from rackwright.runner.burn_in import BurnIn, burn_in_of, torch_engine
from rackwright.runner.fleet import FleetRun
from rackwright.runner.judging import accepted, judged
from rackwright.runner.observing import observe
from rackwright.runner.operations import NotStarted, wait_for_units
from rackwright.runner.planned import planned
from rackwright.runner.probing import probe
from rackwright.runner.quarantine import (
    end_quarantine,
    keep_quarantine,
    must_be_watched,
    quarantine_of,
)
from rackwright.runner.remote_call import call
from rackwright.runner.steps.owners import new_owner
from rackwright.runner.turns_at_gateways import LEASE_S, Turn, TurnWanted, turn_at_gateways

SAY_EVERY_S = 60
POLL_S = 1.0
PATIENCE_S = LEASE_S + 10
"""For the turn of a run that was killed to be over."""
START_MARGIN_S = 15
OF_REPLICAS = (processes.CHECK.name, gpu_memory.CHECK.name)
"""Checks of a server that are about its replicas, which may be stopped or dead by now."""


@dataclass(frozen=True)
class Terms:
    """``minutes`` of the burn-in; or ``why`` there is none."""

    minutes: float
    why: str | None = None


@dataclass
class Proof:
    """What was found so far. ``ended``: the quarantine is over; ``words`` say how, or why not."""

    results: list[CheckResult] = field(default_factory=list)
    ended: bool = False
    words: str = ""

    @property
    def faults(self) -> list[CheckResult]:
        """What keeps the server in quarantine."""
        return [row for row in self.results if row.counts_as > Status.WARN]

    def add(self, rows: Sequence[CheckResult]) -> bool:
        """Take rows, in place of older ones of the same checks; whether all is well so far."""
        new = {(row.check, row.subject) for row in rows}
        kept = [row for row in self.results if (row.check, row.subject) not in new]
        self.results = [*kept, *rows]
        return not self.faults


@dataclass(frozen=True)
class Returning:
    """Of one server. ``say`` hears a line of what is done."""

    fleet: FleetRun
    inventory: Inventory
    server: str
    terms: Terms
    say: Callable[[str], None]

    def run(self) -> Proof:
        """Prove it and end its quarantine, or leave that with what was found.

        Raises RefusedError where there is nothing to prove, or nothing to burn in with; HostError
        where the server or a gateway gives no answer.
        """
        settings = self.fleet.spec.settings.get(self.server)
        must_be_watched(self.fleet.plan, self.server, settings)
        burn_in = self._burn_in()
        with connections(self.inventory):
            host = reach(self.inventory, self.server)
            with ctx_host.use(host):
                return self._proven(host, burn_in)

    def _burn_in(self) -> BurnIn | None:
        engine = torch_engine(self.fleet, self.server)
        if self.terms.why is not None:
            return None
        if engine is None:
            words = f"no engine planned on {self.server} brings torch, so nothing can burn it in"
            raise RefusedError(f"{words}: --skip-burn-in --why WHY proves GPUs and links alone")
        return burn_in_of(self.fleet, self.server, engine, self.terms.minutes)

    def _proven(self, host: Host, burn_in: BurnIn | None) -> Proof:
        settings = self.fleet.settings(self.server)
        found = quarantine_of(host, settings)
        if found is None:
            raise RefusedError(f"{self.server} is in no quarantine")
        self.say(f"{self.server} is in quarantine {found.words}")
        proof = Proof()
        try:
            with self._out_of_traffic():
                self._prove(host, burn_in, proof)
                self._conclude(host, proof)
        except HostError as error:
            self._note(host, str(error))
            raise
        except KeyboardInterrupt:
            words = "stays in quarantine, and what was stopped there starts again by itself"
            self.say(f"{self.server} {words}: return it again when you like")
            raise
        return proof

    def _prove(self, host: Host, burn_in: BurnIn | None, proof: Proof) -> None:
        """Each part only where those before were well: a GPU that is lost is not burned in."""
        if not proof.add(self._of_the_server(host)):
            return
        if burn_in is not None:
            if not proof.add(self._burned_in(host, burn_in)):
                return
            if not proof.add(self._of_the_server(host)):
                return
        self._start(host)
        proof.add(self._of_everything(host))

    def _conclude(self, host: Host, proof: Proof) -> None:
        settings = self.fleet.settings(self.server)
        if proof.faults:
            proof.words = "; ".join(f"{r.check} is {r.status}: {r.evidence}" for r in proof.faults)
            keep_quarantine(host, settings, proof.words)
            return
        burned_in = f"after a burn-in of {self.terms.minutes:g} minutes"
        without = f"without a burn-in ({self.terms.why})"
        proof.words = f"{len(proof.results)} checks {without if self.terms.why else burned_in}"
        end_quarantine(host, settings, proof.words)
        proof.ended = True

    def _note(self, host: Host, words: str) -> None:
        """As evidence, where the server can still be told."""
        try:
            keep_quarantine(host, self.fleet.settings(self.server), words)
        except HostError as error:
            self.say(f"it could not be noted there: {error}")

    # --- out of traffic ----------------------------------------------------------------------

    @contextmanager
    def _out_of_traffic(self) -> Iterator[None]:
        """In the turn of each replica there, none of its requests left; they prove themselves."""
        names = [one.name for one in self.fleet.plan.on(self.server)]
        owner = new_owner()
        with ExitStack() as turns:
            taken = [turns.enter_context(self._turn(name, owner)) for name in names]
            with self._saying(f"{self.server}: its replicas answer what they have"):
                self._wait(taken)
            yield

    @contextmanager
    def _turn(self, name: str, owner: str) -> Iterator[Turn]:
        # Its server is in quarantine: it is out already, whoever else is.
        wanted = TurnWanted(name, owner, f"{self.server} is proven", hold_s=0, alone=False)
        with turn_at_gateways(self.fleet, self.inventory, wanted, PATIENCE_S, self.say) as turn:
            yield turn

    def _wait(self, turns: Sequence[Turn]) -> None:
        limit_s = self.fleet.settings(self.server).drain_timeout_s
        deadline = time.monotonic() + limit_s
        while left := sum(turn.in_flight() for turn in turns):
            if time.monotonic() > deadline:
                self.say(f"{left} requests have not ended in {limit_s} s: their engines end them")
                return
            gevent.sleep(POLL_S)

    # --- what is looked at -------------------------------------------------------------------

    def _of_the_server(self, host: Host) -> list[CheckResult]:
        self.say(f"{self.server}: GPUs, memory errors and links")
        seen = {self.server: {"probe": probe(host)}}
        wanted = [
            one for one in planned(self.fleet, [self.server]) if isinstance(one, PlannedServer)
        ]
        rows = [row for row in checks.judge(wanted, seen) if row.check not in OF_REPLICAS]
        return self._counted(rows, checks_of(wanted) - set(OF_REPLICAS))

    def _burned_in(self, host: Host, burn_in: BurnIn) -> list[CheckResult]:
        words = f"{self.server}: burn-in of {self.terms.minutes:g} minutes, its replicas stopped"
        with self._saying(words):
            answer = call(host, "burn_in", burn_in.request, timeout_s=burn_in.limit_s, kind=dict)
        if error := answer.get("error"):
            raise HostError(f"{self.server} was not burned in: {error}")
        rows = burn_in.results(answer)
        return self._counted(rows, {row.check for row in rows})

    def _start(self, host: Host) -> None:
        """Every replica that is planned there, also one that was not running."""
        replicas = self.fleet.plan.on(self.server)
        units = [unit_name(replica) for replica in replicas]
        if not units:
            return
        limit_s = self.fleet.settings(self.server).start_timeout_s + START_MARGIN_S
        names = ", ".join(one.name for one in replicas)
        with self._saying(f"{self.server}: starting {names}"):
            call(host, "driver", {"do": "start", "units": units})
            try:
                wait_for_units(host, [Unit(unit, start_timeout_s=limit_s) for unit in units])
            except NotStarted as error:
                raise HostError(f"{self.server}: {error.what}") from None

    def _of_everything(self, host: Host) -> list[CheckResult]:
        with self._saying(f"{self.server}: its replicas are asked"):
            seen = {self.server: observe(self.fleet)}
        rows = judged(self.fleet, [self.server], seen)
        return [row for row in rows if row.check != quarantine_check.CHECK.name]

    def _counted(
        self, rows: Sequence[CheckResult], asked: set[str] | frozenset[str]
    ) -> list[CheckResult]:
        own = [row for row in rows if row.check != quarantine_check.CHECK.name]
        return accepted(own, self.fleet, asked - {quarantine_check.CHECK.name})

    @contextmanager
    def _saying(self, words: str) -> Iterator[None]:
        """Say it at once, and how long it has gone on now and then."""
        started = time.monotonic()

        def again() -> None:
            while True:
                gevent.sleep(SAY_EVERY_S)
                self.say(f"{words}: {time.monotonic() - started:.0f} s")

        self.say(words)
        speaker = gevent.spawn(again)
        try:
            yield
        finally:
            speaker.kill()
