"""What a rollout was asked for, beyond what the plan says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """``service``: of that one's replicas alone. ``at_once``: so many steps, of services each.

    A deploy has no limit: other services do not wait for one another. ``canary``: the first step is
    watched before the next.
    """

    service: str | None = None
    at_once: int | None = None
    canary: bool = False


_asked = [Options()]


def options() -> Options:
    """Those of this run."""
    return _asked[-1]


@contextmanager
def asked_for(wanted: Options) -> Iterator[None]:
    """Every run in this block is one with these."""
    _asked.append(wanted)
    try:
        yield
    finally:
        _asked.pop()
