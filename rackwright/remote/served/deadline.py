"""A time by which a whole HTTP exchange is over, however slowly the other end drips."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection


class Deadline:
    """Whether it has come. A connection's own timeout starts anew with every byte."""

    def __init__(self, seconds: float) -> None:
        """It comes after so many seconds."""
        self._seconds, self._started = seconds, time.monotonic()

    @property
    def left_s(self) -> float:
        """Seconds until then."""
        return max(0.0, self._started + self._seconds - time.monotonic())

    @property
    def has_come(self) -> bool:
        """What was read until then may be a part of what there was."""
        return not self.left_s

    def enforce(self) -> None:
        """Raise TimeoutError once it has come."""
        if self.has_come:
            raise TimeoutError(f"not done within {self._seconds:g} s")


@contextlib.contextmanager
def hung_up_after(connection: HTTPConnection, seconds: float) -> Iterator[Deadline]:
    """Connect, and hang up at the deadline, which ends whatever is being read; closed at the end.

    The plain socket's own ``shutdown`` is called: TLS would want to say goodbye first.
    """
    deadline = Deadline(seconds)
    try:
        connection.connect()
        timer = threading.Timer(deadline.left_s, _hang_up, (connection.sock,))
        timer.daemon = True
        timer.start()
        try:
            yield deadline
        finally:
            timer.cancel()
    finally:
        connection.close()


def _hang_up(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        socket.socket.shutdown(line, socket.SHUT_RDWR)
