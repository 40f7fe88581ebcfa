"""How long a service with one replica will be away: told before, and requests wait so long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

MOST_HOLD_S = 3600
"""As long as a gateway lets requests wait."""
MARGIN, MARGIN_S = 1.5, 30
"""A start with a new setting may take longer, and it is proven after that."""


def last_start_s(starts: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds of the newest start that became ready, by the journal; None without one."""
    for start in starts:
        if start.get("ready") and start.get("ready_unix_s") and start.get("began_unix_s"):
            return max(0.0, float(start["ready_unix_s"]) - float(start["began_unix_s"]))
    return None


def hold_s(last_s: float | None, start_timeout_s: int) -> int:
    """How long requests are to wait for it."""
    expected = start_timeout_s if last_s is None else last_s * MARGIN + MARGIN_S
    return min(MOST_HOLD_S, ceil(expected))


def words_of_a_move(service: str, coming: Sequence[str], start_timeout_s: int) -> str:
    """The same, where the only replica leaves its servers before another can come."""
    return (
        f"{service} has no other replica, and will be away until {' and '.join(coming)} runs: "
        f"for up to {start_timeout_s} s"
    )


def words(service: str, last_s: float | None, start_timeout_s: int) -> str:
    """What the operator is told."""
    if last_s is None:
        time = f"up to {start_timeout_s} s: no start of it is known"
    else:
        time = f"about {last_s:.0f} s, as long as its last start took"
    return (
        f"{service} has no other replica, and will be away for {time}; its requests wait in line, "
        "go to its outside API, or get 429"
    )
