"""What clients have used: a table for people, CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from rackwright.clients.usage import COUNTS, PARTS, Usage, summed
from rackwright.report.table import table_text

HEADINGS = ("REQUESTS", "PROMPT", "CACHED", "COMPLETION", "OVERFLOW", "AUDIO S")


def usage_text(rows: Sequence[Usage], by: Sequence[str]) -> str:
    """A line for each row, by the parts that it is told apart by, and a sum of several."""
    if not rows:
        return "no usage"
    parts = [part for part in PARTS if part in by]
    (total,) = summed(rows, ())
    shown = len(HEADINGS) - (not total.audio_seconds)  # only where somebody sends sound
    lines = [[*(getattr(row, part) for part in parts), *_counts(row)[:shown]] for row in rows]
    if parts and len(rows) > 1:
        lines.append(["all", *[" "] * (len(parts) - 1), *_counts(total)[:shown]])
    headings = HEADINGS[:shown]
    return table_text([*(part.upper() for part in parts), *headings], lines, headings)


def usage_csv(rows: Sequence[Usage]) -> str:
    """The same columns whatever it is told apart by; one that it is not is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*PARTS, *COUNTS])
    writer.writerows([getattr(row, name) for name in (*PARTS, *COUNTS)] for row in rows)
    return out.getvalue().rstrip("\n")


def _counts(row: Usage) -> list[int]:
    return [getattr(row, count) for count in COUNTS]
