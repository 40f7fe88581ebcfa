"""What was measured, as rows: printed as soon as a group of them is there, and kept in a file."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.converge.tools import FLOOR, OURS, TOOLS

COLUMNS = "  {:<22}{:>9}{:>17}{:>13}{:>13}{:>12}"
FIRST, NO_CHANGE = "first run", "no-change run"
GOALS = {"pyinfra": 7, "mitogen": 15, "ansible": 50}
"""How many times faster than each the no-change run is to be."""
GOAL_HOSTS = 8


@dataclass
class Row:
    """One tool's runs of one kind: seconds of each; ``sessions`` of SSH a host had in one."""

    run: str
    hosts: int
    added_ms: float
    tool: str
    sessions: int | None = None
    seconds: list[float] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        """The middle of all runs."""
        return median(self.seconds)


def table(rows: Sequence[Row]) -> Iterator[str]:
    """A group: rows of one kind of run on as many hosts, as far away."""
    first = rows[0]
    yield f"{first.run}, {first.hosts} host(s), {first.added_ms:g} ms added to each round trip"
    yield COLUMNS.format("", "median s", "min - max", "to ours", "to connect", "sessions")
    by_tool = {row.tool: row.median_s for row in rows}
    for row in rows:
        extent = f"{min(row.seconds):.2f} - {max(row.seconds):.2f}"
        ratios = (_ratio(row.median_s, by_tool.get(name)) for name in (OURS.name, FLOOR.name))
        sessions = "-" if row.sessions is None else row.sessions
        yield COLUMNS.format(
            TOOLS[row.tool].words, f"{row.median_s:.2f}", extent, *ratios, sessions
        )


def _ratio(seconds: float, of: float | None) -> str:
    return f"{seconds / of:.2f}" if of else "-"


def goals(rows: Sequence[Row]) -> Iterator[tuple[bool, str]]:
    """Of a group that the goal is about: whether each was kept, and how it stands."""
    by_tool = {row.tool: row.median_s for row in rows}
    first = rows[0]
    if first.run != NO_CHANGE or first.hosts != GOAL_HOSTS or OURS.name not in by_tool:
        return
    for name, times in GOALS.items():
        if name in by_tool:
            ratio = by_tool[name] / by_tool[OURS.name]
            words = f"{ratio:.1f} times faster than {TOOLS[name].words}, {times} is the goal"
            yield ratio >= times, words


def save(path: Path, rows: Sequence[Row]) -> None:
    """All rows so far, with what they were measured by; in place of what lies there."""
    document = {"by": list(heading()), "rows": [asdict(row) for row in rows]}
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(document, indent=1) + "\n")
    fresh.replace(path)


def heading() -> Iterator[str]:
    """What was timed, on what: enough to judge the figures by."""
    yield f"pyinfra {version('pyinfra')}, Python {platform.python_version()}"
    yield f"{os.cpu_count()} cores for hosts and controller together"


def counts(state: dict[str, Any]) -> str:
    """What a host is to have, in words."""
    return ", ".join(f"{len(values)} {part}" for part, values in state.items() if values)
