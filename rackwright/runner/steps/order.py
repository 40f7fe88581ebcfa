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

    ``together``: its service wants all of its replicas changed at once. ``takes`` are the ports
    and GPUs that it needs, ``has`` those that its processes have now. ``exchange`` names the
    replicas that wait for one another's: they take one step, all together.
    """

    name: str
    service: str
    way: Way
    hosts: tuple[str, ...]
    together: bool = False
    out: bool = False
    takes: frozenset[str] = frozenset()
    has: frozenset[str] = frozenset()
    exchange: frozenset[str] = frozenset()

    @property
    def beside(self) -> bool:
        """Whether it stands in for another: it takes no GPUs that anything is planned for."""
        return self.name.endswith(BESIDE)

    @property
    def leaves(self) -> frozenset[str]:
        """What is free once it is done; one that does not serve is stopped by who needs that."""
        return frozenset() if self.way is Way.START and not self.beside else self.has - self.takes


def in_order(pending: Iterable[Pending]) -> list[Pending]:
    """New ones first, then those that are out already, then the others; what leaves comes last."""
    return sorted(pending, key=lambda one: (one.way, not one.out))


def startable(
    pending: Sequence[Pending], running: Sequence[Pending], at_once: int | None = None
) -> list[Pending]:
    """The steps that may begin now beside those that run, at most so many in all.

    Those that exchange their places begin together. A service keeps its order, unless it stands in
    its own way: a new replica that waits for the GPUs of one that is changed. Then what makes room
    goes first.
    """
    begun: list[Pending] = []
    for one in in_order(pending):
        busy, group = [*running, *begun], group_of(one, pending)
        full = at_once is not None and busy and len(busy) + len(group) > at_once
        if one in begun or full:
            continue
        if not any(_waits(each, group, pending) or _meets(each, busy) for each in group):
            begun += group
    if begun or running or not pending:
        return begun
    ordered = in_order(pending)
    free = (one for one in ordered if not _lacks_room(one, pending))
    return group_of(next(free, ordered[0]), pending)


def group_of(one: Pending, pending: Sequence[Pending]) -> list[Pending]:
    """The steps that are taken as one with this."""
    others = [each for each in pending if each is not one and each.way is one.way]
    return [one, *(each for each in others if each.name in one.exchange)]


def _meets(one: Pending, busy: Sequence[Pending]) -> bool:
    """Whether another of its service is out, or one that runs holds what it needs."""
    alone = not one.together and any(other.service == one.service for other in busy)
    shared = any(one.takes & (other.takes | other.has) for other in busy)
    return alone or shared or _lacks_room(one, busy)


def _waits(one: Pending, group: Sequence[Pending], pending: Sequence[Pending]) -> bool:
    """Whether others of its service come first, or its GPUs or port are still others'."""
    ordered = in_order(pending)
    before = [each for each in ordered[: ordered.index(one)] if each not in group]
    first = not one.together and any(other.service == one.service for other in before)
    return first or _lacks_room(one, pending)


def _lacks_room(one: Pending, others: Sequence[Pending]) -> bool:
    """What leaves a server goes before what comes or changes there, and that before what comes.

    So does what leaves the very port or GPUs that it takes.
    """
    if one.way is Way.REMOVE:
        return False
    comes = one.way is Way.START and not one.beside
    earlier = (Way.CHANGE, Way.REMOVE) if comes else (Way.REMOVE,)
    rest = [other for other in others if other.name != one.name]
    return any(
        (other.way in earlier and not other.beside and set(other.hosts) & set(one.hosts))
        or (other.name not in one.exchange and one.takes & _kept(other, others))
        for other in rest
    )


def _kept(other: Pending, pending: Iterable[Pending]) -> frozenset[str]:
    """What it has until it is done. What stands in has nothing before it was started."""
    if other.beside and other.way is Way.REMOVE:
        waits = any(one.name == other.name and one.way is Way.START for one in pending)
        return frozenset() if waits else other.takes
    return other.leaves
