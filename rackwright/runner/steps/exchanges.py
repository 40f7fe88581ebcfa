"""Replicas that wait for one another's ports or GPUs: none can be changed before the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from rackwright.planning.beside import BESIDE
from rackwright.runner.steps.order import Pending, Way

Waits = Mapping[str, frozenset[str]]
"""By the name of each the names of those that it waits for, over others too."""


def with_exchanges(pending: Sequence[Pending]) -> list[Pending]:
    """The same, where each knows who exchanges its places with it.

    Without what would stand in where that could only begin after what it stands in for.
    """
    waits = _waits([one for one in pending if one.way is Way.CHANGE])
    useless = set(_useless(pending, waits))
    return [_known(one, waits) for one in pending if one.name not in useless]


def _known(one: Pending, waits: Waits) -> Pending:
    mine = waits.get(one.name, frozenset()) if one.way is Way.CHANGE else frozenset()
    return replace(one, exchange=frozenset(name for name in mine if one.name in waits[name]))


def _waits(changed: Sequence[Pending]) -> Waits:
    found = {
        one.name: {other.name for other in changed if other is not one and one.takes & other.leaves}
        for one in changed
    }
    for _ in changed:
        for names in found.values():
            names.update(*(found[name] for name in [*names]))
    return {name: frozenset(names) for name, names in found.items()}


def _useless(pending: Sequence[Pending], waits: Waits) -> Iterator[str]:
    """Copies that need what their own replica leaves, one that waits for it, or another copy."""
    changed = {one.name: one for one in pending if one.way is Way.CHANGE}
    taken: dict[str, frozenset[str]] = {}
    for copy in (one for one in pending if one.beside and one.way is Way.START):
        name = copy.name.removesuffix(BESIDE)
        late = {other for other, its in waits.items() if name in its} | {name}
        needs = any(copy.takes & changed[other].leaves for other in late if other in changed)
        beside = [taken.get(other, frozenset()) for other in late & waits.get(name, frozenset())]
        if needs or any(copy.takes & its for its in beside):
            yield copy.name
        else:
            taken[name] = copy.takes
