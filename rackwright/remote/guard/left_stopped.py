"""Replicas that a step has stopped, and whose step ended without a word: started again.

A run that is killed between stopping the processes of a replica and starting them leaves its mark.
systemd starts nothing that was stopped on somebody's word. What was stopped by hand has no mark.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rackwright.remote.guard import kept, service_manager
from rackwright.remote.host.running import run

STOPS = frozenset(("change", "start", "prove", "return", "undo"))
"""Stages of a step in which it may have stopped what it changes."""

Values = dict[str, Any]


def is_over(mark: Values | None, now_unix_s: float) -> bool:
    """Whether a step that may have stopped its replica is heard of no more."""
    live = kept.has_live_turn(mark, now_unix_s)
    return mark is not None and mark.get("stage") in STOPS and not live


class LeftStopped:
    """Of all replicas of this server. ``units`` are theirs, by name; ``turns`` has the marks."""

    def __init__(self, units: Mapping[str, str], turns: Path) -> None:
        """Nothing is asked yet."""
        self._units, self._turns = units, turns
        self._started: dict[str, Values] = {}

    def start(self, say: Callable[[str], Any]) -> None:
        """Once for each step that ended so. Raises OSError where systemd does not answer."""
        marks = {name: kept.read(self._turns / f"{name}.json") for name in self._units}
        now = time.time()
        left = [name for name, mark in marks.items() if is_over(mark, now)]
        left = [name for name in left if marks[name] != self._started.get(name)]
        for name in self._stopped(left):
            say(f"{name}: a step has stopped it and was not heard of again: started")
            self._started[name] = marks[name] or {}
            run("systemctl", "--no-block", "start", self._units[name])

    def _stopped(self, names: Sequence[str]) -> list[str]:
        units = service_manager.units_now([self._units[name] for name in names])
        return [n for n, unit in zip(names, units) if unit.get("ActiveState") == "inactive"]
