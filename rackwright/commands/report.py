"""`rackwright report`: the checks of a deploy, printed again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from rackwright.checks.results import CheckResult, Status
from rackwright.errors import InputError
from rackwright.exits import tell
from rackwright.report import terminal_text
from rackwright.schema.files import text_of


@click.command(short_help="Print the checks of a deploy again")
@click.argument("path", default="reports/latest.json", type=click.Path(path_type=Path))
def report(path: Path) -> None:
    """Print the checks of a deploy again. Exits with 2 when one is CRITICAL or UNKNOWN."""
    results = _read(path)
    tell(terminal_text(results))
    if any(result.status > Status.WARN for result in results):
        sys.exit(2)


def _read(path: Path) -> list[CheckResult]:
    try:
        rows = json.loads(text_of(path))["results"]
        return [CheckResult(**{**row, "status": Status(row["status"])}) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is not a report: {error}") from None
