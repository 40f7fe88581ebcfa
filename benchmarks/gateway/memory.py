"""What Nginx's processes hold in memory, over time, and whether it grows."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from pathlib import Path
from typing import Any

_OWN = re.compile(r"^RssAnon:\s+(\d+) kB", re.MULTILINE)
_SHARED = re.compile(r"^RssShmem:\s+(\d+) kB", re.MULTILINE)
SETTLED = 0.3
"""Of the run, after which nothing may grow: until then buffers and tables find their size."""
MOST_KIB_A_MINUTE = 64
"""Of all processes together. At 100 requests a second, 11 bytes of each that stay are more."""
JUDGED_MINUTES = 10
"""Of a shorter run the slope says nothing."""


class Memory:
    """Of a session's processes: (seconds, how many, KiB of their own, KiB that they share)."""

    def __init__(self, session: int) -> None:
        self.session, self.started = session, time.monotonic()
        self.samples: list[tuple[float, int, int, int]] = []

    async def sample(self, every_s: float) -> None:
        """Until cancelled."""
        while True:
            own, shared, processes = 0, 0, 0
            for folder in Path("/proc").glob("[0-9]*"):
                try:
                    if self._is_of_session(folder):
                        status = (folder / "status").read_text()
                        own += _kib(_OWN, status)
                        shared = max(shared, _kib(_SHARED, status))  # the same pages in each
                        processes += 1
                except OSError:  # it has ended meanwhile
                    continue
            seconds = round(time.monotonic() - self.started, 1)
            self.samples.append((seconds, processes, own, shared))
            await asyncio.sleep(every_s)

    def _is_of_session(self, folder: Path) -> bool:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        return int(fields[3]) == self.session

    def _settled(self) -> list[tuple[float, int, int, int]]:
        first = SETTLED * self.samples[-1][0]
        return [sample for sample in self.samples if sample[0] >= first]

    def slope_kib_a_minute(self) -> float:
        """Of what the processes hold for themselves, by least squares, once it has settled."""
        settled = self._settled()
        minutes = [sample[0] / 60 for sample in settled]
        return statistics.linear_regression(minutes, [float(sample[2]) for sample in settled]).slope

    def csv(self) -> str:
        """Every sample, for who wants to draw it."""
        rows = (",".join(map(str, sample)) for sample in self.samples)
        return "\n".join(["seconds,processes,own_kib,shared_kib", *rows]) + "\n"

    def summary(self) -> dict[str, Any]:
        """How it went."""
        return {
            "slope_kib_a_minute": round(self.slope_kib_a_minute(), 1),
            "own_kib_first_settled": self._settled()[0][2],
            "own_kib_last": self.samples[-1][2],
            "shared_kib_last": self.samples[-1][3],
        }

    def faults(self, minutes: float) -> list[str]:
        """One where it grows."""
        slope = self.slope_kib_a_minute()
        if minutes < JUDGED_MINUTES or slope <= MOST_KIB_A_MINUTE:
            return []
        return [f"Nginx's memory grows by {slope:.0f} KiB a minute"]


def _kib(pattern: re.Pattern[str], status: str) -> int:
    match = pattern.search(status)
    return int(match[1]) if match else 0
