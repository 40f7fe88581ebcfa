"""A module of others cut down to what is named: NVIDIA's has 6,000 lines, of which we call twenty.

A host would parse all of it each time. What is left is as it was, line by line; what runs as the
module is imported stays, and all that this names.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Set
from typing import NamedTuple

_BEGINS = re.compile(r"(?<=\n)(?=[^\s#)\]}])")
"""Where a statement of the module itself begins; a bracket that stands there ends one."""
_DEFINES = re.compile(
    r"(?:def|class)[ ]+(?P<block>\w+)|from[ ]+[\w.]+[ ]+import[ ]+(?P<other>\w+)[ ]*$"
    r"|(?P<value>\w+)[ ]*=(?!=)",
    re.MULTILINE,
)
_WORD = re.compile(r"\w+")
_BY_PREFIX = "nvmlDeviceGet"
"""Of questions to a GPU ours name the rest alone (``remote/nvidia/questions.py``)."""
_ERRORS = "NVML_ERROR_"
"""Constants of this name NVIDIA's module looks for in itself."""
_QUOTES = ('"""', "'''")


class _Part(NamedTuple):
    """A statement, with its decorators. ``name`` is of what it defines; empty for all others."""

    name: str
    text: str


def pruned(source: str, named: Set[str]) -> str:
    """The source without functions and classes that nothing of ``named`` leads to."""
    parts = list(_parts(source))
    known: dict[str, str] = {}
    for part in parts:  # what is defined anew counts with what it was before
        known[part.name] = known.get(part.name, "") + part.text
    always = _WORD.findall(known.pop("", ""))
    reached: set[str] = set()
    todo = deque([*named, *(_BY_PREFIX + word for word in named), *always])
    while todo:
        word = todo.popleft()
        if word in known and word not in reached:
            reached.add(word)
            todo += _WORD.findall(known[word])
    return "".join(part.text for part in parts if not part.name or part.name in reached)


def _parts(source: str) -> Iterator[_Part]:
    decorators = ""
    for text in _BEGINS.split(source):
        if text.startswith("@"):
            decorators += text
            continue
        yield _Part(_defined(text), decorators + text)
        decorators = ""


def _defined(text: str) -> str:
    """The name; none of a text that a string goes on behind: where it ends is not known here."""
    if any(text.count(quotes) % 2 for quotes in _QUOTES):
        return ""
    defines = _DEFINES.match(text)
    name = (defines["block"] or defines["other"] or defines["value"]) if defines else ""
    return "" if name.startswith(_ERRORS) else name


def words_of(source: str) -> set[str]:
    """All that a source may name."""
    return set(_WORD.findall(source))
