"""`rackwright report`: the checks of a deploy, printed again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from rackwright.checks.results import CheckResult, Status
from rackwright.errors import InputError
from rackwright.report import terminal_text


@click.command()
@click.argument("path", default="reports/latest.json", type=click.Path(path_type=Path))
def report(path: Path) -> None:
    """Print the checks of a deploy again. Exits with 2 when one is CRITICAL or UNKNOWN."""
    try:
        rows = json.loads(path.read_text())["results"]
        results = [CheckResult(**{**row, "status": Status(row["status"])}) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a report: {error}") from None
    click.echo(terminal_text(results))
    if any(result.status > Status.WARN for result in results):
        sys.exit(2)
