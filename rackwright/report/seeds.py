"""Seeds of a fleet as a table: which replica has which, and what servers keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rackwright.report.table import table_text

SHORT = 8
"""Characters of a digest that people read."""
MIB = 1 << 20


def seeds_text(answers: Mapping[str, Mapping[str, Any]], planned: Mapping[str, list[str]]) -> str:
    """Two tables, of replicas and of seeds. ``answers`` are those of ``remote/seeds.py`` by server,
    or ``error``; ``planned`` has the names of its replicas that may have one.
    """
    replicas: list[tuple[object, ...]] = []
    seeds: list[tuple[object, ...]] = []
    for server, said in answers.items():
        if error := said.get("error"):
            replicas.append((server, None, None, str(error)))
            continue
        seeds += [(server, *_seed(one)) for one in said["seeds"]]
        has = said["replicas"]
        replicas += [(server, name, *_has(has.get(name, {}))) for name in planned[server]]
    tables = [table_text(("SERVER", "REPLICA", "SEED", "HOW"), replicas)] if replicas else []
    if seeds:
        headings = ("SERVER", "SEED", "FILES", "MIB", "PACKED", "OF", "GPU", "RELEASE")
        tables.append(table_text(headings, seeds, ("FILES", "MIB", "PACKED")))
    return "\n\n".join(tables) or "no replica whose engine compiles when it starts"


def _has(note: Mapping[str, Any]) -> tuple[str | None, str]:
    digest = str(note.get("digest") or "")
    how = str(note.get("how") or "none yet: made once it is started and proven")
    of = note.get("of")
    return digest[:SHORT] or None, f"{how}, of {of}" if of else how


def _seed(about: Mapping[str, Any]) -> tuple[object, ...]:
    facts = about.get("facts") or {}
    amounts = (about.get("bytes", 0) / MIB, about.get("size", 0) / MIB)
    return (
        str(about.get("digest"))[:SHORT],
        about.get("files"),
        *(f"{amount:.1f}" for amount in amounts),
        about.get("of"),
        facts.get("gpu"),
        f"{facts.get('engine')} {facts.get('release')}",
    )
