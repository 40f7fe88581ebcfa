"""Work that is never done twice at once on a host."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rackwright.remote.downloads.progress import say


@contextmanager
def alone(lock: Path, doing: str) -> Iterator[int]:
    """Nobody else does what this lock is for meanwhile; whoever has to wait for that is told.

    A child that is handed the number of the lock's file holds it too: it outlives a broken
    connection.
    """
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another {doing} runs on this host (perhaps of a run that was cut off): waiting")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()
