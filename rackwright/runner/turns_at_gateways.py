"""A replica's turn: drained at all gateways while it is held, and no other of its service with it.

Each gateway keeps it as a lease. So two runs cannot meet, and one that is killed leaves nothing
drained: when its lease has run out the replica is back once it has completed a request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import gevent
from gevent.event import Event
from gevent.lock import RLock
from pyinfra.api.inventory import Inventory

from rackwright.errors import HostError, RackwrightError
from rackwright.runner.fleet import FleetRun
from rackwright.runner.gateway_leases import (
    LEASE_S,
    ReplicaState,
    TurnRefused,
    TurnWanted,
    end_lease,
    replicas_at,
    take_lease,
)
from rackwright.runner.steps.owners import is_dead

__all__ = [
    "LEASE_S",
    "ReplicaState",
    "Turn",
    "TurnRefused",
    "TurnWanted",
    "states_at_gateways",
    "turn_at_gateways",
]

RENEW_EVERY_S = 15
ASK_AGAIN_S = 2.0


class Turn:
    """One replica's turn at these gateways, by the gateways' names."""

    def __init__(self, inventory: Inventory, gateways: Sequence[str], wanted: TurnWanted) -> None:
        """Nothing is asked yet. ``why`` may be set anew: gateways hear it when it is renewed."""
        self.wanted, self.why = wanted, wanted.why
        self.ended = Event()
        self._inventory, self._gateways = inventory, sorted(gateways)
        self._held: set[str] = set()
        self._asked: set[str] = set()
        self._was_in: dict[str, bool] = {}
        self._one_at_a_time = RLock()

    @property
    def held(self) -> tuple[str, ...]:
        """The gateways that keep it: all that run and know such a replica."""
        return tuple(sorted(self._held))

    def take(self) -> None:
        """At all gateways or at none.

        Raises TurnRefused where one does not give it, HostError where one cannot be asked.
        """
        try:
            for name in self._gateways:
                before = replicas_at(self._inventory, name).get(self.wanted.replica)
                self._was_in[name] = before is not None and before.state == "in"
                self._end_dead(name, before)
                self._take_at(name)
        except RackwrightError:
            self._end()
            raise

    def renew(self) -> None:
        """Ask for it again everywhere. Raises HostError where a gateway may have ended it.

        One that it still keeps is never refused; where it has run out it is judged as a new one.
        """
        with self._one_at_a_time:
            if self.ended.is_set():
                return
            asking = [gevent.spawn(self._fault_of_renewal, name) for name in self._gateways]
            gevent.joinall(asking)
        if faults := [one.get() for one in asking if one.get()]:
            raise HostError("\n".join(faults))

    def give_back(self, *, prove: bool = False) -> dict[str, str]:
        """End it: the replica is in, with ``prove`` after it has completed a gateway's own request.

        Why, by name, of each gateway that did not hear of it: there its lease runs out.
        """
        return self._ended(prove)

    def leave(self) -> dict[str, str]:
        """End it with nothing changed: one that was out before proves itself first, as ever.

        Why, by name, of each gateway that did not hear of it.
        """
        return self._ended(None)

    def _ended(self, prove: bool | None) -> dict[str, str]:
        self.ended.set()
        with self._one_at_a_time:
            return self._end(prove)

    def in_flight(self) -> int:
        """Requests that it still answers for clients of all gateways.

        Raises HostError where a gateway cannot be asked.
        """
        replica = self.wanted.replica
        states = [replicas_at(self._inventory, name) for name in self.held]
        return sum(each[replica].in_flight for each in states if replica in each)

    def _take_at(self, name: str) -> None:
        self._asked.add(name)  # one whose answer is lost may keep it all the same
        if take_lease(self._inventory, name, replace(self.wanted, why=self.why)):
            self._held.add(name)

    def _end_dead(self, name: str, before: ReplicaState | None) -> None:
        """The turn of a run that has ended is in nobody's way."""
        owner = str(((before and before.told.get("turn")) or {}).get("owner"))
        if is_dead(owner):
            end_lease(self._inventory, name, replace(self.wanted, owner=owner), True)

    def _fault_of_renewal(self, name: str) -> str:
        try:
            self._take_at(name)
        except (HostError, TurnRefused) as error:
            return str(error)
        return ""

    def _end(self, prove: bool | None = None) -> dict[str, str]:
        faults = {}
        for name in sorted(self._asked):
            unproven = not self._was_in.get(name, False) if prove is None else prove
            try:
                end_lease(self._inventory, name, self.wanted, unproven)
            except (HostError, TurnRefused) as error:
                faults[name] = str(error)
        self._held.clear()
        self._asked.clear()
        return faults


def states_at_gateways(fleet: FleetRun, inventory: Inventory) -> dict[str, dict[str, ReplicaState]]:
    """What each gateway that runs says of its replicas, by name, by the gateway's name.

    Raises HostError where one is silent.
    """
    found = {name: replicas_at(inventory, name) for name in sorted(fleet.spec.gateways)}
    return {name: replicas for name, replicas in found.items() if replicas}


@contextmanager
def turn_at_gateways(
    fleet: FleetRun,
    inventory: Inventory,
    wanted: TurnWanted,
    patience_s: float = 0,
    said: Callable[[str], None] = lambda words: None,
) -> Iterator[Turn]:
    """A turn at all gateways of the fleet, renewed for as long as the block runs.

    What the block has not given back nobody has proven, and the gateways do before they send it
    requests. Where it is refused it is asked for again for ``patience_s``, and ``said`` hears why.
    Raises as ``take`` does, before the block begins.
    """
    turn = Turn(inventory, tuple(fleet.spec.gateways), wanted)
    _take(turn, patience_s, said)
    keeper = gevent.spawn(_keep, turn)
    try:
        yield turn
    finally:
        for why in turn.give_back(prove=True).values():
            said(why)
        keeper.join()


def _take(turn: Turn, patience_s: float, said: Callable[[str], None]) -> None:
    deadline, heard = time.monotonic() + patience_s, ""
    while True:
        try:
            return turn.take()
        except TurnRefused as refused:
            if time.monotonic() >= deadline:
                raise
            if str(refused) != heard:
                heard = str(refused)
                said(heard)
        gevent.sleep(ASK_AGAIN_S)


def _keep(turn: Turn) -> None:
    """Renew it until it ends. A gateway without an answer is asked again; its lease goes on."""
    while not turn.ended.wait(RENEW_EVERY_S):
        try:
            turn.renew()
        except HostError:
            continue
