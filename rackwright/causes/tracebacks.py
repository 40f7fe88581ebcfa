"""Python's tracebacks, line by line, each from the streams of a log that many processes write.

Their form: the ``traceback`` module's documentation; exceptions that follow from one another are
joined by one of two sentences, and the first is the root.
"""

from __future__ import annotations

import re

from rackwright.causes.failure import Failure, Frame, Raised
from rackwright.causes.lines import QUIET, Line

HEADER = "Traceback (most recent call last):"
JOINED = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
HARMLESS = ("Exception ignored in", "--- Logging error ---")
MOST_LINES, MOST_FUNCTIONS, MOST_CHAINED = 20, 100, 20

_FRAME = re.compile(r'\s*File "([^"]{1,1000})", line (\d{1,9})(?:, in (.{1,200}))?')
_RAISED = re.compile(r"([A-Za-z_][\w.]{0,200})(?::\s?(.*))?$")
_GROUPED = re.compile(r"^\s*(?:\+-[+-]*(?: \d+)?[ -]*|[|+] ?)")


class Trace:
    """One traceback as it is read, with those it follows from."""

    def __init__(self, at: int, line: Line, before: str) -> None:
        """``at`` is the header's line; ``before`` what its stream said just before it."""
        self._at, self._process = at, line.process
        self._harmless = line.level in QUIET or before.startswith(HARMLESS)
        self._grouped = "Group" in line.text
        self._chain: list[Raised] = []
        self._joined = self._over = False
        self._begin()

    def _begin(self) -> None:
        self._frame: Frame | None = None
        self._functions: list[str] = []
        self._message: list[str] | None = None
        self._kind = ""

    def goes_on(self) -> bool:
        """At another header: whether that one belongs to this, which is then ready for it."""
        if (not self._joined and not self._grouped) or len(self._chain) >= MOST_CHAINED:
            return False
        self._close()
        self._joined = self._over = False
        self._begin()
        return True

    def take(self, line: Line) -> bool:
        """Read the next line of its stream; False for one that does not belong to it."""
        self._grouped = self._grouped and line.text[:1] in ("", " ", "|", "+")
        text = _GROUPED.sub("", line.text, count=1) if self._grouped else line.text
        if text.strip() in JOINED:
            self._joined = True
            return True
        return (
            self._take_frame(line, text) if self._message is None else self._take_word(line, text)
        )

    def _take_frame(self, line: Line, text: str) -> bool:
        if line.fresh:
            return False
        if frame := _FRAME.match(text):
            self._frame = Frame(frame[1], int(frame[2]), frame[3] or "")
            if len(self._functions) < MOST_FUNCTIONS:
                self._functions.append(f"{frame[1]}:{frame[3] or ''}")
        elif raised := _RAISED.match(text):
            self._kind, self._message = raised[1], [raised[2] or ""]
        return True

    def _take_word(self, line: Line, text: str) -> bool:
        blank = not text.strip()
        assert self._message is not None
        self._over = self._over or blank or line.fresh or len(self._message) >= MOST_LINES
        if not self._over:
            self._message.append(text)
        return blank or not self._over

    def _close(self) -> None:
        if self._message is not None:
            words = "\n".join(self._message).strip()
            self._chain.append(Raised(self._kind, words, self._frame, tuple(self._functions)))
            self._message = None

    def failure(self) -> Failure | None:
        """What was read; None where it was handled, or cut off before its end."""
        self._close()
        if self._harmless or not self._chain:
            return None
        own = tuple(raised for raised in self._chain if not raised.kind.endswith("ExceptionGroup"))
        return Failure(self._at, self._process, own or tuple(self._chain), certain=True)
