"""Hosts that an inventory's file writes twice: in one group, by two spellings, or with other data.

pyinfra takes the last of them without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rackwright.errors import Fault
from rackwright.schema.depth import too_deep

_NAMING = ("@ssh", "@rackwright")
"""Connectors whose hosts are called what stands behind the slash."""


def named_twice(groups: Mapping[str, Sequence[Any]]) -> Iterator[Fault]:
    """A fault for each host of a group that another place names too, with that place.

    In two groups a host is as usual where they agree: pyinfra merges what both say of it.
    """
    first: dict[str, tuple[str, Any]] = {}
    said: set[tuple[int, int]] = set()
    for group, hosts in groups.items():
        within: set[str] = set()
        for index, host in enumerate(hosts):
            place, name = f"{group}[{index}]", _called(_written(host))
            above, other = first.setdefault(name, (place, host))
            if (id(other), id(host)) in said:
                pass  # the same two, in a group that is made of groups
            elif name in within or _written(other) != _written(host):
                said.add((id(other), id(host)))
                yield Fault(place, f"names {name}, as {above} does already", _written(host))
            elif found := list(_contradictions(place, host, above, other)):
                said.add((id(other), id(host)))
                yield from found
            within.add(name)


def _written(host: Any) -> str:
    return str(host if isinstance(host, str) else host[0])


def _called(written: str) -> str:
    """What a host is called that is written with a connector which takes a name."""
    connector, slash, name = written.partition("/")
    return name if slash and connector in _NAMING else written


def _contradictions(place: str, host: Any, above: str, other: Any) -> Iterator[Fault]:
    data, first = _own_data(host), _own_data(other)
    if data is first or too_deep(data) or too_deep(first):
        return
    for key in data:
        if key in first and data[key] != first[key]:
            yield Fault(f"{place}.{key}", f"is another value in {above}, which names it too")


def _own_data(host: Any) -> dict[str, Any]:
    return {} if isinstance(host, str) else host[1]
