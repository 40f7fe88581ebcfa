"""Figures out of an engine's metrics, which come as Prometheus' text format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

_LABEL = r'([A-Za-z_]\w*)\s*=\s*"([^"\\]*(?:\\.[^"\\]*)*)"'
LABEL = re.compile(_LABEL, re.ASCII)
SAMPLE = re.compile(
    r"\s*(?P<name>[A-Za-z_:][\w:]*)"
    rf"(?:\s*\{{(?P<labels>\s*(?:{_LABEL}\s*(?:,\s*|(?=\}})))*)\}}\s*|\s+)"
    r"(?P<value>[^\s_]+)(?:\s+-?\d+)?\s*",
    re.ASCII,
)
"""A name, labels in braces, a value and perhaps when it was so; blanks between them as one likes.
``1_000`` is a number in Python alone."""
ESCAPED = re.compile(r'\\([\\n"])')


def figures(text: str, wanted: Mapping[str, Sequence[str]]) -> dict[str, float | None]:
    """Each wanted figure, or None where it is not told or is no number.

    ``wanted`` names a series and a label of it, or "" for the value of the series itself. A figure
    of several engines behind one port is their sum.
    """
    found: dict[str, list[float]] = {name: [] for name in wanted}
    for series, labels, value in samples(text):
        for name, (wanted_series, label) in wanted.items():
            if series == wanted_series:
                found[name] += _numbers(labels.get(label) if label else value)
    return {name: sum(numbers) if numbers else None for name, numbers in found.items()}


def samples(text: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Name, labels and value of every line that is a sample; other lines are passed over."""
    for line in text.split("\n"):  # a label's value may hold what else ends a line in Python
        if sample := SAMPLE.fullmatch(line):
            labels = {name: _plain(value) for name, value in LABEL.findall(sample["labels"] or "")}
            yield sample["name"], labels, sample["value"]


def _plain(value: str) -> str:
    return ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], value)


def _numbers(text: str | None) -> list[float]:
    """One number or none: ``NaN`` and ``None`` are how an engine says that it does not know."""
    try:
        number = float(text or "nan")
    except ValueError:
        return []
    return [number] if number - number == 0 else []
