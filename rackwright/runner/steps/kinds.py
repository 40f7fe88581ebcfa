"""What a replica's differences ask for: nothing, a change at once, or a step."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from rackwright.desired.items import Change, StepUnderWay, Unit

SERVES = ("active", "reloading", "deactivating")
"""States of a unit that may have requests."""


class Kind(StrEnum):
    """``AT_ONCE``: nobody loses anything by it, for nothing serves there or nothing restarts."""

    NOTHING = "nothing"
    AT_ONCE = "at once"
    STEP = "step"


def kind_of(changes: Sequence[Change]) -> Kind:
    """Of the differences of one replica on one server.

    What was left in the middle is always a step: it may have been started and never proven.
    """
    if not changes:
        return Kind.NOTHING
    if any(isinstance(change.item, StepUnderWay) for change in changes):
        return Kind.STEP
    return Kind.STEP if any(_interrupts(change) for change in changes) else Kind.AT_ONCE


def _interrupts(change: Change) -> bool:
    """Whether a unit that serves is to be started anew."""
    unit, seen = change.item, change.seen
    if not isinstance(unit, Unit) or not seen or seen["active"] not in SERVES:
        return False
    return bool(
        seen["active"] == "deactivating" or seen["stamp"].get("restart") != unit.stamp["restart"]
    )


def runs(changes: Sequence[Change]) -> bool:
    """Whether a unit of which this differs has requests; what does not differ is active."""
    units = [change.seen for change in changes if isinstance(change.item, Unit)]
    return all(bool(seen) and seen["active"] in SERVES for seen in units)
