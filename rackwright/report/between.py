"""What differs between two hosts, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rackwright.drift.between import Unlike
from rackwright.report.table import table_text

SCHEMA = 1


def between_text(one: str, other: str, found: Sequence[Unlike]) -> str:
    """A row a difference; a sentence where there is none."""
    if not found:
        return f"{one} and {other} are equal but for their names, addresses and GPUs' numbers"
    noun = "difference" if len(found) == 1 else "differences"
    return f"{table_text(('WHAT', one, other), found)}\n\n{len(found)} {noun}"


def between_json(one: str, other: str, found: Sequence[Unlike]) -> str:
    """For programs."""
    rows = [{"what": row.about, one: row.one, other: row.other} for row in found]
    return json.dumps({"schema": SCHEMA, "hosts": [one, other], "differences": rows}, indent=1)
