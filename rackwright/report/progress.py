"""Progress in one line: rewritten on a terminal; elsewhere a line now and then."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TextIO

SAY_EVERY_S = 10.0
"""How often each source of progress is heard where lines cannot be rewritten (a pipe, a log)."""
CLEAR = "\r\x1b[K"


class Progress:
    """The last line of a terminal, which the next progress replaces; or lines with pauses."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` gives seconds."""
        self._out, self._clock = out, clock
        self._drawn = False
        self._said_s: dict[str, float] = {}

    def show(self, text: str, source: str = "") -> None:
        """Say how far ``source`` is; cut to the width of the terminal."""
        if self._out.isatty():
            width = shutil.get_terminal_size().columns - 1
            self._write(f"{CLEAR}{text[:width]}")
            self._drawn = True
        elif self._is_due(source):
            self._write(f"{text}\n")

    def clear(self) -> None:
        """Make way for a line that stays."""
        if self._drawn:
            self._write(CLEAR)
            self._drawn = False

    def _is_due(self, source: str) -> bool:
        now = self._clock()
        if now - self._said_s.get(source, -SAY_EVERY_S) < SAY_EVERY_S:
            return False
        self._said_s[source] = now
        return True

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
