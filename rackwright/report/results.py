"""Check results as a table for a terminal."""

from __future__ import annotations

import io
import os
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rackwright.checks.results import CheckResult, Status

if TYPE_CHECKING:
    from rich.table import Table

COLOURS = {
    Status.OK: "green",
    Status.WARN: "yellow",
    Status.CRITICAL: "bold red",
    Status.UNKNOWN: "magenta",
}


def results_text(results: Sequence[CheckResult], *, colour: bool = False, width: int = 110) -> str:
    """A table of all results, what to do about those that are not OK, and a line that counts."""
    from rich.console import Console  # only where something is drawn
    from rich.text import Text

    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        no_color=not colour,
        markup=False,
        emoji=False,
        highlight=False,
    )
    with console.capture() as printed:
        console.print(_table(results))
        for result in results:
            if result.remedy and result.status is not Status.OK:
                about = f"{result.status_words}{_about(result)}: "
                console.print(Text(about, style=COLOURS[result.counts_as]) + result.remedy)
        console.print(_count(results))
    return printed.get().rstrip("\n")


def _about(result: CheckResult) -> str:
    sign = "; " if result.accepted else " "
    return f"{sign}{result.subject} on {result.host}, {result.check}"


def terminal_text(results: Sequence[CheckResult]) -> str:
    """``results_text``, in colour where a person reads it and has not asked for none."""
    return results_text(results, colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ)


def _table(results: Sequence[CheckResult]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("STATUS", "HOST", "WHAT", "CHECK", "EVIDENCE"):
        table.add_column(heading, overflow="fold")
    for result in results:
        status = Text(result.label, style=COLOURS[result.counts_as])
        table.add_row(status, result.host, result.subject, result.check, Text(result.evidence))
    return table


def _count(results: Sequence[CheckResult]) -> str:
    counts = Counter(result.status for result in results if not result.accepted)
    parts = [f"{counts[each]} {each}" for each in sorted(counts, key=lambda each: each.exit_code)]
    accepted = sum(result.accepted is not None for result in results)
    return (
        ", ".join([*parts, *([f"{accepted} accepted"] if accepted else [])]) or "nothing to check"
    )
