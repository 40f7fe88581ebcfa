"""Figures out of an engine's metrics, which come as Prometheus' text format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

SAMPLE = re.compile(r"([A-Za-z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def figures(text: str, wanted: Mapping[str, Sequence[str]]) -> dict[str, float | None]:
    """Each wanted figure, or None where it is not told or is no number.

    ``wanted`` names a series and a label of it, or "" for the value of the series itself. A figure
    of several engines behind one port is their sum.
    """
    found: dict[str, list[float]] = {name: [] for name in wanted}
    for series, labels, value in _samples(text):
        for name, (wanted_series, label) in wanted.items():
            if series == wanted_series:
                found[name] += _numbers(labels.get(label) if label else value)
    return {name: sum(numbers) if numbers else None for name, numbers in found.items()}


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], str]]:
    for line in text.splitlines():
        sample = SAMPLE.match(line)
        if sample:
            yield sample[1], dict(LABEL.findall(sample[2] or "")), sample[3]


def _numbers(text: str | None) -> list[float]:
    """One number or none: ``NaN`` and ``None`` are how an engine says that it does not know."""
    try:
        number = float(text or "nan")
    except ValueError:
        return []
    return [number] if number - number == 0 else []
