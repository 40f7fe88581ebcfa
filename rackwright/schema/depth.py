"""How deep data is nested: what contains itself, or thousands of levels, no reader survives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_LEVELS = 64
"""More than any config.json or inventory has (a dozen), fewer than Python's recursion bears."""
TOO_DEEP = f"must be nested {MOST_LEVELS} levels deep at most, and not contain itself"


def too_deep(value: object) -> bool:
    """Whether lists and dicts inside one another go beyond ``MOST_LEVELS``.

    Level by level, each container once a level: nothing recurses, and one that is shared many
    times costs no more than one.
    """
    level = {id(value): value}
    for _ in range(MOST_LEVELS):
        level = {id(inner): inner for outer in level.values() for inner in _inside(outer)}
        if not level:
            return False
    return True


def _inside(value: object) -> list[Any]:
    if isinstance(value, Mapping):
        inner = [*value, *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        inner = list(value)
    else:
        return []
    return [one for one in inner if isinstance(one, Mapping | list | tuple | set | frozenset)]
