"""What the hub's stand-in was asked for."""

from __future__ import annotations

import re
import time

RANGE = re.compile(r"bytes=(\d+)-(\d+)$")


class Ledger(list[str]):
    """Requests in their order, as ``serve`` tells them. ``first_unix_s`` is that of a file's."""

    first_unix_s: float = 0.0

    def note(self, line: str) -> None:
        """Hear a request."""
        if "/resolve/" in line and not self.first_unix_s:
            self.first_unix_s = time.time()
        self.append(line)

    @property
    def bytes(self) -> int:
        """Of files that were asked for by ranges; one that was cut off counts whole."""
        found = (RANGE.search(line) for line in self if "/resolve/" in line)
        return sum(int(one[2]) + 1 - int(one[1]) for one in found if one)
