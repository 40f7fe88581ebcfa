"""What stands in a ``quantization_config``, checked as it is taken out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def whole(value: object, most: int = 1 << 20) -> int:
    """A whole number from 1 to ``most``. Raises ValueError."""
    if type(value) is not int or not 1 <= value <= most:
        raise ValueError(f"must have whole numbers from 1 to {most}, not {value!r}")
    return value


def group_of(value: object) -> int:
    """A size of groups; 0 for one group an output, which is written -1, 0 or not at all."""
    return 0 if value in (None, 0, -1) else whole(value)


def names_in(value: object) -> tuple[str, ...]:
    """A list of names; empty where there is none. Raises TypeError."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError(value)
    return tuple(value)


def text_in(value: object) -> str:
    """A word, no longer than one is. Raises TypeError."""
    if not isinstance(value, str) or not 0 < len(value) <= 64:
        raise TypeError(value)
    return value


def entry_in(value: object) -> Mapping[str, Any]:
    """A dict. Raises TypeError."""
    if not isinstance(value, Mapping):
        raise TypeError(value)
    return value


def entries(value: object) -> Mapping[str, Mapping[str, Any]]:
    """A dict of dicts; empty where there is none. Raises TypeError."""
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not all(map(_is_entry, value.items())):
        raise TypeError(value)
    return value


def _is_entry(item: tuple[object, object]) -> bool:
    return isinstance(item[0], str) and isinstance(item[1], Mapping)


def sizes(value: object) -> tuple[int, int]:
    """Rows and columns of a block. Raises TypeError for what is no list of two."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise TypeError(value)
    return whole(value[0]), whole(value[1])
