"""How fast bytes go, for all that share it."""

from __future__ import annotations

import threading
import time

BURST_S = 0.05
"""What was not used is lent on for so long only: the limit holds over a tenth of a second, too."""


class Pace:
    """Waits so that no more than so many bytes a second go by; None bounds nothing."""

    def __init__(self, bytes_per_s: float | None) -> None:
        """One for each direction of a server."""
        self.bytes_per_s = bytes_per_s
        self._lock, self._free_s = threading.Lock(), 0.0

    @property
    def block_bytes(self) -> int:
        """How much is best taken at once: so little that the limit is kept evenly."""
        if self.bytes_per_s is None:
            return 1 << 20
        return max(1 << 14, min(1 << 20, int(self.bytes_per_s * BURST_S / 2)))

    def take(self, size_bytes: int) -> None:
        """Wait until these bytes may go."""
        if self.bytes_per_s is None:
            return
        with self._lock:
            now = time.monotonic()
            begin_s = max(self._free_s, now - BURST_S)
            self._free_s = begin_s + size_bytes / self.bytes_per_s
            wait_s = self._free_s - now
        if wait_s > 0:
            time.sleep(wait_s)
