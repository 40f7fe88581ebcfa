"""What was observed of a host, read with care: anything of it may be missing or garbled."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from rackwright.checks.results import Status

Observation = Mapping[str, Any]


def part_of(seen: Any, *keys: str) -> Observation:
    """A part of an observation; an empty one where it is missing or no mapping."""
    for key in keys:
        seen = seen.get(key) if isinstance(seen, Mapping) else None
    return seen if isinstance(seen, Mapping) else {}


def answer_of(reply: Any) -> tuple[Observation | None, Status, str]:
    """An HTTP observation that was answered with 200; or None, how bad that is, and why.

    No answer, or another one, is CRITICAL; an observation that is missing or garbled is UNKNOWN.
    """
    if not isinstance(reply, Mapping) or not reply:
        return None, Status.UNKNOWN, "was not observed"
    if "error" in reply:
        return None, Status.CRITICAL, str(reply["error"])
    if not isinstance(reply.get("status"), int):
        return None, Status.UNKNOWN, "the observation has no HTTP status"
    if reply["status"] != 200:
        return None, Status.CRITICAL, f"HTTP {reply['status']}: {str(reply.get('body'))[:200]}"
    return reply, Status.OK, ""


def number_of(body: Any, key: str) -> float | None:
    """A number of an observation that is one, and finite; else None."""
    value = body.get(key) if isinstance(body, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return value
