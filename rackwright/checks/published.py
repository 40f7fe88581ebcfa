"""The tables of ``docs/checks.md``, made from the checks: nobody writes them by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rackwright.checks.check import Check, Example
from rackwright.checks.results import Status
from rackwright.checks.table import CHECKS

_WHOLE_HOST = (
    ("reached", "host", "it answered", "CRITICAL one row for the whole host"),
    (
        "deployed",
        "host",
        "no stage of this run failed on it (said only where one did)",
        "CRITICAL the stage, what failed, [its cause](causes.md) and what to do",
    ),
)
"""What is said of a host instead of its checks."""
_OF_THE_INVENTORY = (
    (
        "accepted",
        "finding in the inventory's [`accepted`](operations.md#findings-that-you-accept)",
        "it is still found, or has come right (said only where it is not found)",
        "WARN its day is over, no such check was made",
    ),
)
_BAR = r"\|"


def republished(text: str) -> str:
    """The document with its tables made again, each between its mark and ``<!-- end -->``."""
    return _with_table(_with_table(text, "checks", _checks()), "faults", _faults())


def _with_table(text: str, name: str, lines: Iterable[str]) -> str:
    mark = f"<!-- {name}: python -m rackwright.checks -->\n"
    table = "\n".join(lines)
    before, _, rest = text.partition(mark)
    _, end, after = rest.partition("<!-- end -->")
    return f"{before}{mark}{table}\n{end}{after}"


def _checks() -> Iterator[str]:
    yield from _heading("check", "about", "OK when", "otherwise")
    yield from (_row(row) for row in (*_WHOLE_HOST, *_OF_THE_INVENTORY))
    for check in CHECKS:
        about = f"{check.about.KIND} {check.applies.words}".strip()
        yield _row((check.name, about, check.fine, _otherwise(check)))


def _otherwise(check: Check[Any]) -> str:
    """Its faults by status, the worst first."""
    faults: dict[Status, list[str]] = {}
    for example in check.examples:
        faults.setdefault(example.status, []).append(example.fault)
    return "; ".join(f"{status} {', '.join(faults[status])}" for status in sorted(faults)[::-1])


def _faults() -> Iterator[str]:
    yield from _heading("fault", "check", "status", "what to do, by the example of one host")
    for check in CHECKS:
        for example in check.examples:
            found_by = _found_by(check, example)
            yield _row((example.fault, found_by, example.status, _remedy(check, example)))


def _found_by(check: Check[Any], example: Example) -> str:
    also = ", ".join(f"`{name}`" for name in example.also)
    return f"{check.name} (and {also} cannot tell)" if also else check.name


def _remedy(check: Check[Any], example: Example) -> str:
    sample = check.healthy.changed(example)
    return check.ask(sample.planned, sample.seen).remedy


def _heading(*names: str) -> Iterator[str]:
    yield _row(names)
    yield _row("---" for _ in names)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', _BAR) for cell in cells)} |"
