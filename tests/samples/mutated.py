"""Documents of an outsider, each with one place changed: what no reader may end on."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

JUNK: tuple[Any, ...] = (
    *(None, True, -1, 0, 3.5, float("nan"), 10**30, 10**400),
    *("", "x", "é\n\x1b[31m", "9" * 5000),
    *([], [None], [[1]], {}, {"x": None}),
)
"""In every place of a document, one after another."""


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every value of nested dicts and lists is, containers and the whole too."""
    yield at
    listed = enumerate(value) if isinstance(value, list) else ()
    for key, inner in value.items() if isinstance(value, dict) else listed:
        yield from places(inner, (*at, key))


def mutations(document: Any, junk: tuple[Any, ...] = JUNK) -> Iterator[Any]:
    """The document with each kind of junk in each place."""
    for place in list(places(document)):
        for value in junk:
            yield changed_at(document, place, value)


def changed_at(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    """The document with one value in one place."""
    if not place:
        return value
    changed = deepcopy(document)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return changed


def cut(text: str, pieces: int = 50) -> Iterator[str]:
    """Beginnings and ends of a text, as a transfer that broke leaves them."""
    step = max(1, len(text) // pieces)
    for length in range(0, len(text), step):
        yield text[:length]
        yield text[length:]
