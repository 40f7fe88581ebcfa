"""What stands in a ``quantization_config``, checked as it is taken out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rackwright.errors import RackwrightError


class Misread(RackwrightError):
    """A value that is not what its key is for; whoever reads the whole knows which key it was."""

    def __init__(self, rule: str, value: object) -> None:
        """``value`` is the one that was taken out."""
        super().__init__(rule)
        self.value = value


def whole(value: object, most: int = 1 << 20) -> int:
    """A whole number from 1 to ``most``. Raises Misread."""
    if type(value) is not int or not 1 <= value <= most:
        raise Misread(f"must be a whole number, 1 to {most:,}", value)
    return value


def group_of(value: object) -> int:
    """A size of groups; 0 for one group an output, which is written -1, 0 or not at all."""
    return 0 if value in (None, 0, -1) else whole(value)


def names_in(value: object) -> tuple[str, ...]:
    """A list of names; empty where there is none. Raises Misread."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Misread("must be a list of names", value)
    return tuple(value)


def text_in(value: object) -> str:
    """A word, no longer than one is. Raises Misread."""
    if not isinstance(value, str) or not 0 < len(value) <= 64:
        raise Misread("must be a name", value)
    return value


def entry_in(value: object) -> Mapping[str, Any]:
    """A dict. Raises Misread."""
    if not isinstance(value, Mapping):
        raise Misread("must be a dict", value)
    return value


def entries(value: object) -> Mapping[str, Mapping[str, Any]]:
    """A dict of dicts; empty where there is none. Raises Misread."""
    if value is None:
        return {}
    for inner in entry_in(value).values():
        entry_in(inner)
    return entry_in(value)


def sizes(value: object) -> tuple[int, int]:
    """Rows and columns of a block. Raises Misread for what is no list of two."""
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise Misread("must be two whole numbers", value)
    return whole(value[0]), whole(value[1])
