"""One gateway asked for a replica's turn, which it keeps as a lease; and to end it again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

from pyinfra.api.inventory import Inventory

from rackwright.errors import HostError, RefusedError
from rackwright.runner.asking import GARBLED, SILENT, reach, within
from rackwright.runner.gateway_state import Question, Said, said_by

LEASE_S = 90
"""How long a gateway keeps a turn of which it hears nothing."""
LIMIT_S = 45
"""For one gateway's answer, connecting and all: half a lease."""
TOO_OLD = "its gateway knows no turns yet: deploy it first (--data stages=gateway)"


class TurnRefused(RefusedError):
    """A gateway gives no turn now; ``others`` are states of the service's replicas, by name."""

    def __init__(self, gateway: str, said: Said) -> None:
        """In the gateway's words."""
        super().__init__(f"{gateway}: {said.words}")
        self.others: dict[str, Any] = said.body.get("others") or {}


@dataclass(frozen=True)
class TurnWanted:
    """Whose turn, and how.

    ``owner`` is the run's own name, of 100 letters at most, and ``why`` what people read beside the
    replica. ``alone``: refused where another replica of the service has its turn, or where no other
    is in. ``hold_s``: how long requests of the service wait in line at least meanwhile.
    """

    replica: str
    owner: str
    why: str
    hold_s: int = 0
    alone: bool = True


class ReplicaState(NamedTuple):
    """A replica by a gateway: ``state`` is in, drained or ejected; ``told`` is all that it says."""

    service: str
    state: str
    in_flight: int
    told: dict[str, Any]

    @property
    def router(self) -> str | None:
        """The router that sends to it, by name; None where the gateway does so itself."""
        return self.told.get("router")


def take_lease(inventory: Inventory, gateway: str, wanted: TurnWanted) -> bool:
    """Have a gateway keep a turn for so long again; False where it sends the replica nothing.

    That is one that does not run, or does not know the replica. Raises TurnRefused, or HostError
    where it cannot be asked.
    """
    lease = {
        "owner": wanted.owner,
        "for_s": LEASE_S,
        "alone": wanted.alone,
        "hold_s": wanted.hold_s,
    }
    said = change_at(inventory, gateway, wanted.replica, {"turn": lease, "why": wanted.why})
    if said and (said.body.get("turn") or {}).get("owner") != wanted.owner:
        raise HostError(f"{gateway}: {TOO_OLD}")
    return said is not None


def end_lease(inventory: Inventory, gateway: str, wanted: TurnWanted, prove: bool) -> None:
    """Have a gateway end a turn. Raises as ``take_lease`` does."""
    change = {"turn": None, "owner": wanted.owner, "prove": prove}
    change_at(inventory, gateway, wanted.replica, change)


def replicas_at(inventory: Inventory, gateway: str) -> dict[str, ReplicaState]:
    """The replicas of a gateway by name; none where none runs. Raises HostError of a silent one."""
    said = _asked(inventory, gateway, Question("GET", "/state"))
    try:
        services = said.body["services"].items() if said else ()
        return {
            name: ReplicaState(service, str(one["state"]), int(one["in_flight"]), one)
            for service, each in services
            for name, one in each["replicas"].items()
        }
    except (*GARBLED, ValueError) as error:
        raise HostError(f"{gateway}: its answer cannot be read ({error!r})") from None


def change_at(
    inventory: Inventory, gateway: str, replica: str, change: dict[str, Any]
) -> Said | None:
    """Have a gateway see a replica otherwise; None where it does not run or does not know it.

    Raises TurnRefused where it refuses, HostError where it cannot be asked.
    """
    said = _asked(inventory, gateway, Question("PUT", f"/replicas/{replica}", change))
    if said is None or said.status == 404:
        return None
    if said.status == 409:
        raise TurnRefused(gateway, said)
    if said.status != 200:
        raise HostError(f"{gateway}: {said.status}: {said.words}")
    return said


def _said_at_last(inventory: Inventory, name: str, question: Question) -> Said | None:
    """Ask again, once, where a connection has ended: whether the gateway did it nobody knows.

    To do it twice is to do it once: a turn is its owner's.
    """
    began = time.monotonic()
    try:
        return said_by(reach(inventory, name), question)
    except (HostError, *SILENT):
        if time.monotonic() - began > LIMIT_S / 2:
            raise
        return said_by(reach(inventory, name), question)


def _asked(inventory: Inventory, name: str, question: Question) -> Said | None:
    try:
        with within(LIMIT_S):
            said = _said_at_last(inventory, name, question)
    except (HostError, *SILENT) as error:
        words = (str(error) or type(error).__name__).removeprefix(f"{name}: ")
        raise HostError(f"{name}: {words}") from None
    if said and not isinstance(said.body, dict):
        raise HostError(f"{name}: its answer cannot be read ({said.body!r:.80})")
    return said
