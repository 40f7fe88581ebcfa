"""The kernel's log, read from where it was left: what was read once never counts again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rackwright.remote.guard import kept
from rackwright.remote.host.kernel_log import MOST_RECORD, MOST_RECORDS, since_loaded

LOG, BOOT = Path("/dev/kmsg"), Path("/proc/sys/kernel/random/boot_id")


class KernelLog:
    """Of this boot; at its very first start what was before is none of the watchdog's."""

    def __init__(self, cursor: Path) -> None:
        """``cursor`` notes how far it was read. Raises OSError where it may not be read."""
        self._cursor, self._boot = cursor, BOOT.read_text().strip()
        self._handle = os.open(LOG, os.O_RDONLY | os.O_NONBLOCK)
        noted = kept.read(cursor) or {}
        sequence = noted.get("sequence")
        self._sequence = -1
        if not isinstance(sequence, int):
            for _ in self._records():
                pass
        elif noted.get("boot") == self._boot:
            self._sequence = sequence
        self.note()

    def note(self) -> None:
        """What was read until now was dealt with."""
        with suppress(OSError):  # a disk that is full
            kept.write(self._cursor, {"boot": self._boot, "sequence": self._sequence})

    def new_errors(self) -> list[str]:
        """The driver's errors since the last time, without those before its module was loaded."""
        return since_loaded(self._records())

    def _records(self) -> Iterator[str]:
        for _ in range(MOST_RECORDS):
            try:
                record = os.read(self._handle, MOST_RECORD)
            except BlockingIOError:
                return
            except BrokenPipeError:  # written over meanwhile
                continue
            if not record:
                return
            for line in record.decode(errors="replace").splitlines():
                yield from self._text(line)

    def _text(self, line: str) -> Iterator[str]:
        """Of a record that is new; lines that begin with a blank only add to one."""
        head, semicolon, text = line.partition(";")
        number = head.split(",")[1:2]
        if semicolon and number and number[0].isdigit() and int(number[0]) > self._sequence:
            self._sequence = int(number[0])
            yield text
