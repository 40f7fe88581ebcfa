"""The restarts of the last hour, noted in a file: they count also for the next start of this."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from rackwright.remote.guard import kept
from rackwright.remote.guard.course import HOUR_S


class Restarts:
    """Of all replicas of this server, by name."""

    def __init__(self, path: Path, names: Collection[str], say: Callable[[str], Any]) -> None:
        """``path`` is the note; who is none of ``names`` is forgotten with the next one."""
        self._path, self._names, self._say = path, names, say

    def ago_s(self, name: str) -> list[float]:
        """How long ago a replica was restarted, each time of the last hour."""
        return self._noted(time.time())[name]

    def add(self, name: str) -> None:
        """It is restarted now."""
        self._note(name, [*self.ago_s(name), 0.0])

    def forget(self, name: str) -> None:
        """It was mended: those before do not count."""
        self._note(name, [])

    def _noted(self, now_unix_s: float) -> dict[str, list[float]]:
        noted = kept.read(self._path)
        all_s = {name: kept.restarts_of(noted, name, now_unix_s) for name in self._names}
        return {name: [ago for ago in each if ago < HOUR_S] for name, each in all_s.items()}

    def _note(self, name: str, ago_s: Sequence[float]) -> None:
        now = time.time()
        noted = {**self._noted(now), name: ago_s}
        try:
            kept.write(self._path, {one: [now - ago for ago in noted[one]] for one in noted})
        except OSError as error:  # a disk that is full
            self._say(f"{self._path}: {error}")
