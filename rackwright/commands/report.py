"""`rackwright report`: the checks of a deploy, printed again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from pydantic import BaseModel

from rackwright.checks.results import CheckResult, Status
from rackwright.errors import Fault, InputError
from rackwright.exits import tell
from rackwright.report import terminal_text
from rackwright.schema.files import text_of
from rackwright.schema.validation import parse


@click.command(short_help="Print the checks of a deploy again")
@click.argument("path", default="reports/latest.json", type=click.Path(path_type=Path))
def report(path: Path) -> None:
    """Print the checks of a deploy again. Exits with 2 when one is CRITICAL or UNKNOWN."""
    results = _read(path)
    tell(terminal_text(results))
    if any(result.counts_as > Status.WARN for result in results):
        sys.exit(2)


class _Report(BaseModel):
    """What is read of a report; it has more."""

    results: list[CheckResult]


def _read(path: Path) -> list[CheckResult]:
    faults: list[Fault] = []
    try:
        found = parse(_Report, json.loads(text_of(path)), "report", faults)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a report: {error}") from None
    if found is None:
        raise InputError(f"{path} is not a report: {faults[0]}")
    return found.results
