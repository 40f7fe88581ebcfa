"""What became of every step of a run: one table at its end."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from rackwright.report.table import table_text
from rackwright.runner.steps.gates import States, failures, replicas_in
from rackwright.runner.steps.view import View

HEADINGS = ("REPLICA", "STEP", "SECONDS", "AWAY", "REQUESTS LOST")
Row = tuple[str, str, int | None, int | None, int | None]


def summary(
    view: View, before: States, now: States, failed: Collection[str], untouched: Collection[str]
) -> str:
    """A line a replica: seconds of its step, those without it, requests that it lost meanwhile."""
    rows = list(_rows(view, before, now, failed, untouched))
    return table_text(HEADINGS, rows, HEADINGS[2:])


def _rows(
    view: View, before: States, now: States, failed: Collection[str], untouched: Collection[str]
) -> Iterator[Row]:
    """Lost is what gateways count as failed on it, of those that know it still."""
    for name, row in view.rows.items():
        known = bool(replicas_in(now, name))
        lost = failures(now, name) - failures(before, name) if known else None
        state = "failed" if name in failed else "done"
        yield name, state, round(row.seconds), round(row.absent_s), lost
    for name in untouched:
        yield name, "not touched", None, None, None
