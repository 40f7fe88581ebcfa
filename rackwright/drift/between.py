"""Why two hosts that should be equal are not: facts of the one beside those of the other."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rackwright.drift.facts import SECRET, facts
from rackwright.drift.neutral import neutral
from rackwright.drift.question import Question, known_of

Values = Mapping[str, Any]
Value = str | tuple[str, ...] | None
MOST = 5
"""Lines of a text that are shown of each side."""
_SECRET = re.compile(rf"{SECRET}[0-9a-f]+>")


class Unlike(NamedTuple):
    """One thing that is otherwise on two hosts; None where one has nothing of the kind."""

    about: str
    one: str | None
    other: str | None


def unlike(questions: tuple[Question, Question], answers: tuple[Values, Values]) -> list[Unlike]:
    """All that differs but names, addresses and GPUs' numbers. Both were asked with one nonce."""
    hosts = questions[0].host, questions[1].host
    found = []
    for at in (0, 1):
        own = neutral(hosts[at], hosts[1 - at], known_of(answers[at]).gpus)
        found.append(facts(questions[at], answers[at], own))
    return list(_differing(*found))


def _differing(one: Mapping[str, Value], other: Mapping[str, Value]) -> Iterator[Unlike]:
    for about in dict.fromkeys((*one, *other)):
        left, right = one.get(about), other.get(about)
        if left == right:
            continue
        if isinstance(left, tuple) and isinstance(right, tuple):
            yield Unlike(about, *_lines(left, right))
        else:
            yield Unlike(about, _said(left), _said(right))


def _said(value: Value) -> str | None:
    if isinstance(value, tuple):
        return f"{len(value)} lines"
    return value and _SECRET.sub("<secret>", value)


def _lines(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Those that only one of the two has."""
    marked = list(difflib.ndiff(one, other))
    return _only("- ", marked), _only("+ ", marked)


def _only(mark: str, marked: list[str]) -> str | None:
    lines = [line[2:].strip() for line in marked if line.startswith(mark)]
    more = f" (and {len(lines) - MOST} more)" if len(lines) > MOST else ""
    return _SECRET.sub("<another secret>", " | ".join(lines[:MOST])) + more if lines else None
