"""The figures side by side, as text."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from statistics import median

from benchmarks.converge.desired import ITEMS

COLUMNS = "{:>5}  {:<41} {:>6}  {:>13}  {:>6}  {:>12}"


@dataclass
class Figure:
    """What was measured of one way on so many hosts."""

    hosts: int
    way: str
    commands: int
    seconds: list[float] = field(default_factory=list)


def table(figures: Sequence[Figure]) -> Iterator[str]:
    """One line a figure; the ratio is to the first way on as many hosts."""
    yield COLUMNS.format("hosts", "way", "median", "min - max", "ratio", "SSH commands")
    yield COLUMNS.format("", "", "s", "s", "", "a host")
    first: dict[int, float] = {}
    for figure in figures:
        middle = median(figure.seconds)
        ratio = first.setdefault(figure.hosts, middle) / middle
        extent = f"{min(figure.seconds):.2f} - {max(figure.seconds):.2f}"
        shown = (figure.hosts, figure.way, f"{middle:.2f}", extent, f"{ratio:.1f}x")
        yield COLUMNS.format(*shown, figure.commands)


def heading(repetitions: int) -> Iterator[str]:
    """What was timed, on what: enough to judge the figures by."""
    kinds = Counter(item.kind for item in ITEMS)
    parts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    yield f"No-change run of {len(ITEMS)} items a host ({parts})."
    yield f"Whole `pyinfra -y` processes, {repetitions} of each, interleaved."
    versions = f"pyinfra {version('pyinfra')}, Python {platform.python_version()}"
    yield f"{versions}, {os.cpu_count()} cores for hosts and pyinfra together."
