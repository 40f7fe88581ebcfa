"""Which step comes next: never two of a service at once, none that others must make room for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from rackwright.planning.beside import BESIDE


class Way(IntEnum):
    """What a step does with its replica, in the order within a service."""

    START = 1
    CHANGE = 2
    REMOVE = 3


@dataclass(frozen=True)
class Pending:
    """A step that is to be taken: ``out`` says that no gateway sends the replica anything now.

    ``together``: its service wants all of its replicas changed at once.
    """

    name: str
    service: str
    way: Way
    hosts: tuple[str, ...]
    together: bool = False
    out: bool = False

    @property
    def beside(self) -> bool:
        """Whether it stands in for another: it takes no GPUs that anything is planned for."""
        return self.name.endswith(BESIDE)


def in_order(pending: Iterable[Pending]) -> list[Pending]:
    """New ones first, then those that are out already, then the others; what leaves comes last."""
    return sorted(pending, key=lambda one: (one.way, not one.out))


def startable(
    pending: Sequence[Pending], running: Sequence[Pending], at_once: int | None = None
) -> list[Pending]:
    """The steps that may begin now beside those that run, at most so many in all.

    A service keeps its order, unless it stands in its own way: a new replica that waits for the
    GPUs of one that is changed. Then what makes room goes first.
    """
    begun: list[Pending] = []
    for one in in_order(pending):
        busy = [*running, *begun]
        if at_once is not None and len(busy) >= at_once:
            break
        if not _waits(one, pending) and not _meets(one, busy):
            begun.append(one)
    if begun or running or not pending:
        return begun
    ordered = in_order(pending)
    return [next((one for one in ordered if not _lacks_room(one, pending)), ordered[0])]


def _meets(one: Pending, busy: Sequence[Pending]) -> bool:
    """Whether another of its service is out, or one that runs holds what it needs."""
    alone = not one.together and any(other.service == one.service for other in busy)
    return alone or _lacks_room(one, busy)


def _waits(one: Pending, pending: Sequence[Pending]) -> bool:
    """Whether others of its service come first, or its GPUs or port are still others'."""
    ordered = in_order(pending)
    before = ordered[: ordered.index(one)]
    first = not one.together and any(other.service == one.service for other in before)
    return first or _lacks_room(one, pending)


def _lacks_room(one: Pending, others: Iterable[Pending]) -> bool:
    """What leaves a server goes before what comes or changes there, and that before what comes."""
    if one.way is Way.REMOVE:
        return False
    comes = one.way is Way.START and not one.beside
    earlier = (Way.CHANGE, Way.REMOVE) if comes else (Way.REMOVE,)
    return any(
        other.way in earlier and not other.beside and set(other.hosts) & set(one.hosts)
        for other in others
        if other is not one
    )
