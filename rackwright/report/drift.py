"""Drifts as a table with what ends each kind, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from rackwright.drift.kinds import Drift, Kind
from rackwright.report.table import table_text

HEADINGS = ("HOST", "DRIFT", "WHERE, AND WHAT IS THERE")
SCHEMA = 1


def drift_text(
    found: Sequence[Drift], silent: Mapping[str, str], hosts: int, lines: bool = False
) -> str:
    """A row a drift, ended by what to do and a count. ``hosts`` were asked.

    ``lines``: of files, those that differ stand below the table.
    """
    parts = []
    if found:
        rows = [(one.host, one.kind.name, _words(one)) for one in found]
        parts.append(table_text(HEADINGS, rows))
    if lines:
        parts += _lines(found)
    parts.append("\n".join([*_remedies(found), *_unanswered(silent), _count(found, silent, hosts)]))
    return "\n\n".join(parts)


def _words(one: Drift) -> str:
    """The place, what is there, and what should be, as far as each is known."""
    planned = one.planned and f"planned {one.planned}"
    said = ", ".join(filter(None, (one.there, planned)))
    return f"{one.path}: {said}" if said else one.path


def _lines(found: Sequence[Drift]) -> Iterator[str]:
    for one in found:
        if one.diff:
            yield "\n".join([f"{one.host} {one.path} (- planned, + there)", *one.diff])


def _remedies(found: Sequence[Drift]) -> Iterator[str]:
    kinds: dict[Kind, int] = {}
    for one in found:
        kinds[one.kind] = kinds.get(one.kind, 0) + 1
    for kind, count in kinds.items():
        times = f" ({count})" if count > 1 else ""
        yield f"{kind.name}{times}: {kind.means}. Remedy: {kind.remedy}"


def _unanswered(silent: Mapping[str, str]) -> Iterator[str]:
    for name, why in silent.items():
        yield f"{name} was not looked at in whole: {why}"


def _count(found: Sequence[Drift], silent: Mapping[str, str], hosts: int) -> str:
    drifted = len({one.host for one in found})
    unknown = f", {len(silent)} not known" if silent else ""
    if not found:
        return f"no drift on {hosts - len(silent)} of {hosts} hosts{unknown}"
    noun = "drift" if len(found) == 1 else "drifts"
    return f"{len(found)} {noun} on {drifted} of {hosts} hosts{unknown}"


def drift_json(found: Sequence[Drift], silent: Mapping[str, str]) -> str:
    """For programs: the same, by key."""
    rows = [
        {
            "host": one.host,
            "drift": one.kind.name,
            "where": one.path,
            "there": one.there,
            "planned": one.planned,
            "remedy": one.kind.remedy,
            "diff": list(one.diff),
        }
        for one in found
    ]
    return json.dumps({"schema": SCHEMA, "drifts": rows, "unanswered": dict(silent)}, indent=1)
