"""How often a replica was started in vain, as its unit counts it (``templates/starts.sh.j2``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

FOLDER = Path("/run/rackwright-starts")
"""A file for each unit: systemd's restarts, those in a row, starts that never became ready, when
it was ready (seconds since boot; 0 for never), and whether it gave up."""

Values = dict[str, Any]


def attempts(unit: str) -> Values:
    """``failed``: starts in a row that never became ready, and ``gave_up``; empty if not counted.

    Whether it gave up is of its last start: the next begins anew.
    """
    try:
        numbers = [int(word) for word in (FOLDER / unit).read_text().split()]
        _, _, failed, _, gave_up = numbers
    except (OSError, ValueError):
        return {}
    return {"failed": failed, "gave_up": bool(gave_up)}


def gave_up(seen: Values) -> str:
    """That a unit is not started any more, in words; empty where it is."""
    if not seen.get("gave_up"):
        return ""
    failed = seen["failed"]
    return f"gave up after {failed} start{'s'[: failed != 1]} that never became ready"
