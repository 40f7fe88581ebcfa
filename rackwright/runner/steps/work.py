"""What differs on one server of what it is to have for its replicas, told apart by replica."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyinfra.api.host import Host

from rackwright.desired import paths
from rackwright.desired.items import Change, Item, NoOtherUnits, differences, query
from rackwright.desired.replicas import former_links, own_items, shared_items, unplanned_items
from rackwright.plan import Replica
from rackwright.runner.looking import STATE, look
from rackwright.runner.steps.kinds import Kind, kind_of, runs
from rackwright.spec import Settings


@dataclass(frozen=True)
class Work:
    """A server's differences.

    ``own`` are those of each replica, ``items`` all it must have of it, and ``make`` has those of
    another one there; ``compared`` are all that was asked about. ``unplanned`` is what goes,
    ``shared`` what its replicas have in common, ``former`` what goes once no unit runs from it any
    more.
    """

    host: Host
    settings: Settings
    planned: tuple[Replica, ...]
    items: dict[str, list[Item]]
    own: dict[str, list[Change]]
    unplanned: list[Change]
    shared: list[Change]
    former: list[Change]
    asked: int
    make: Callable[[Replica], list[Item]]
    compared: Sequence[Item] = ()

    @property
    def leaving(self) -> list[str]:
        """Replicas that run here and are planned no more, by name."""
        units = [
            name
            for change in self.unplanned
            if isinstance(change.item, NoOtherUnits)
            for name in change.seen["units"]
        ]
        return [_replica_of(unit) for unit in units]

    @property
    def stepping(self) -> list[str]:
        """Replicas that serve, or that a step was left in: nobody loses anything by the others."""
        spans = [one.name for one in self.planned if one.span and self.own.get(one.name)]
        steps = [name for name, its in self.own.items() if kind_of(its) is Kind.STEP]
        return list(dict.fromkeys([*steps, *spans]))

    def runs(self, name: str) -> bool:
        """Whether the process of a replica runs here, whatever else differs of it."""
        return runs(self.own.get(name, ()))

    @property
    def later(self) -> list[str]:
        """Replicas that are changed, or come, only when others have made room or are well."""
        if not self.leaving and not self.stepping:
            return []
        return [name for name, its in self.own.items() if kind_of(its) is not Kind.NOTHING]

    @property
    def now(self) -> list[Change]:
        """What is changed at once: by it no replica that serves is interrupted."""
        own = [change for name, its in self.own.items() if name not in self.later for change in its]
        unplanned = [] if self.leaving else self.unplanned
        former = [] if self.later else self.former
        return [*unplanned, *self.shared, *own, *former]

    @property
    def all_changes(self) -> list[Change]:
        """All that differs, in the order in which it is told."""
        own = [change for its in self.own.values() for change in its]
        return [*self.unplanned, *self.shared, *own, *self.former]

    @property
    def last(self) -> list[Change]:
        """What goes once all of that has been done."""
        engines = [one for one in self.unplanned if not isinstance(one.item, NoOtherUnits)]
        return [*(engines if self.leaving else []), *(self.former if self.later else [])]


def _replica_of(unit: str) -> str:
    return unit.removeprefix(paths.UNIT_PREFIX).removesuffix(".service")


def work_of(
    host: Host,
    replicas: Sequence[Replica],
    settings: Settings,
    gpu_uuids: Sequence[str] | None,
    api_key: str,
    only: str | None = None,
) -> Work:
    """Everything compared in one question. Raises HostError where the host gives no answer.

    ``only`` one service's replicas are changed, and nothing else is taken away.
    """
    mine = [one for one in replicas if only in (None, one.service.name)]

    def items_of(replica: Replica) -> list[Item]:
        return own_items(replica, settings, gpu_uuids, api_key)

    items = {one.name: items_of(one) for one in mine}
    unplanned = unplanned_items(replicas, settings) if only is None else []
    former = former_links(replicas, settings) if only is None else []
    shared = shared_items(replicas, settings)
    asked = [*unplanned, *shared, *(one for its in items.values() for one in its), *former]
    seen = look(host, STATE, {"do": "observe", "items": query(asked)})
    found = {id(change.item): change for change in differences(asked, seen)}

    def of(some: Sequence[Item]) -> list[Change]:
        return [found[id(item)] for item in some if id(item) in found]

    own = {name: of(its) for name, its in items.items()}
    parts = (own, of(unplanned), of(shared), of(former))
    return Work(
        host,
        settings,
        tuple(replicas),
        items,
        *parts,
        asked=len(asked),
        make=items_of,
        compared=asked,
    )
