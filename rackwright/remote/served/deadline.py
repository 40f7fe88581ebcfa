"""A time by which a whole HTTP exchange is over, however slowly the other end drips."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection


class Deadline:
    """Of an exchange on a connection, whose own timeout starts anew with every byte."""

    def __init__(self, connection: HTTPConnection, seconds: float) -> None:
        """It comes after so many seconds."""
        self._connection, self._seconds = connection, seconds
        self._started = time.monotonic()
        self._timer: threading.Timer | None = None

    @property
    def left_s(self) -> float:
        """Seconds until then."""
        return max(0.0, self._started + self._seconds - time.monotonic())

    @property
    def has_come(self) -> bool:
        """What was read until then may be a part of what there was."""
        return not self.left_s

    def sent(self) -> None:
        """The request is sent: from now on whoever does not answer in time is hung up on.

        The connection forgets its socket where the answer is to be its last.
        """
        self._timer = threading.Timer(self.left_s, _hang_up, (self._connection.sock,))
        self._timer.daemon = True
        self._timer.start()

    def enforce(self) -> None:
        """Raise TimeoutError once it has come."""
        if self.has_come:
            raise TimeoutError(f"not done within {self._seconds:g} s")

    def end(self) -> None:
        """Hang up at once, or not at all any more."""
        if self._timer:
            self._timer.cancel()
        self._connection.close()


@contextlib.contextmanager
def hung_up_after(connection: HTTPConnection, seconds: float) -> Iterator[Deadline]:
    """A deadline for what is read in the block (``sent`` says when), closed at its end."""
    deadline = Deadline(connection, seconds)
    try:
        yield deadline
    finally:
        deadline.end()


def _hang_up(line: socket.socket) -> None:
    """The plain socket's own ``shutdown``: TLS would want to say goodbye first."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(line, socket.SHUT_RDWR)
