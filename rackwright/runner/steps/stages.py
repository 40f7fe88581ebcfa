"""The stages of a step, as marks on servers and lines of progress name them."""

from __future__ import annotations

from enum import StrEnum

LEASE_S = 90
"""How long a server keeps the mark of a step of which it hears nothing."""
RENEW_EVERY_S = 20


class Stage(StrEnum):
    """Where a step is. Up to ``WAIT`` nothing is changed yet; what comes later can be undone."""

    PREFLIGHT = "preflight"
    DRAIN = "drain"
    WAIT = "wait"
    CHANGE = "change"
    START = "start"
    PROVE = "prove"
    RETURN = "return"
    UNDO = "undo"
