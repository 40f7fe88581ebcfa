"""The other servers of an exchange: who is there, and what each has."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote

from rackwright.remote.sideways.giving import STATUS
from rackwright.remote.sideways.signing import signature

POLL_S = 0.5
EACH_S = 0.02
"""Of many peers each is asked less often: so many seconds a peer."""
START_S = 30.0
"""Until one that was never heard of counts as one that does not come."""
DEAD_S = 20.0
"""Without a word from one that was there."""
ANSWER_S = 10.0
MOST_FAILURES = 10
"""Pieces in a row that did not come: a file that is gone there, a disk that fails."""
MOST_BYTES = 4 << 20

Values = dict[str, Any]
BROKEN = (OSError, HTTPException, ValueError, LookupError, TypeError, AttributeError)


class Peer:
    """One server; a thread asks it what it has, again and again."""

    def __init__(self, name: str, way: Sequence[Any], token: str, have: dict[str, int]) -> None:
        """``name`` is the inventory's, ``way`` address and port; ``have`` is what is expected."""
        self.name, self.token, self.have = name, token, have
        self.address, self.port = way
        self._has_ended = False
        self.done, self.origin = False, True
        self.taking = 0
        self.taken_bytes = 0
        self.failures = 0
        self._began_s, self._heard_s, self._rests_until_s = time.monotonic(), 0.0, 0.0

    @property
    def was_heard(self) -> bool:
        """Whether it ever answered."""
        return self._heard_s > 0

    @property
    def is_gone(self) -> bool:
        """Whether nobody waits for it any more: it is done and left, is dead, or never came."""
        now = time.monotonic()
        if self._has_ended:
            return True
        since_s = now - (self._heard_s or self._began_s)
        return since_s > (DEAD_S if self.was_heard else START_S)

    @property
    def is_of_no_use(self) -> bool:
        """Whether it gives nothing any more: gone, or pieces that it has do not come."""
        return self.is_gone or self.failures >= MOST_FAILURES

    @property
    def gives(self) -> bool:
        """Whether it may be asked for a piece now."""
        now = time.monotonic()
        return self.was_heard and not self.is_of_no_use and now > self._rests_until_s

    def rest(self, for_s: float) -> None:
        """A piece did not come: leave it for a while."""
        self._rests_until_s = time.monotonic() + for_s

    def hear(self, told: Values) -> None:
        """What it says of itself. Raises what a garbled answer raises."""
        self.have = {str(key): int(bits, 16) for key, bits in told["have"].items()}
        self.done, self.origin = bool(told["done"]), bool(told["origin"])
        self._heard_s, self._has_ended = time.monotonic(), False

    def connect(self) -> HTTPConnection:
        """A connection to ask on."""
        connection = HTTPConnection(self.address, self.port, timeout=ANSWER_S)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, connection: HTTPConnection, path: str) -> Any:
        """The open answer. Raises OSError, HTTPException; LookupError for what it has not."""
        connection.request("GET", path, headers={"Authorization": signature(self.token, path)})
        answer = connection.getresponse()
        if answer.status != 200:
            answer.read()
            raise LookupError(f"{self.name} answered {answer.status}")
        return answer

    def follow(self, me: str, every_s: float, changed: Callable[[], None]) -> None:
        """Ask it for ever what it has; ``changed`` is called after each answer."""
        path = STATUS + quote(me, safe="")
        while True:
            try:
                with contextlib.closing(self.connect()) as connection:
                    while True:
                        self.hear(json.loads(self.ask(connection, path).read(MOST_BYTES)))
                        changed()
                        time.sleep(every_s)
            except ConnectionRefusedError:  # where it listened nobody does any more
                self._has_ended = self.was_heard
            except BROKEN:
                pass
            time.sleep(every_s)


def follow_all(me: str, peers: list[Peer], changed: Callable[[], None]) -> None:
    """Each in a thread of its own: one that is dead holds up nobody."""
    every_s = max(POLL_S, EACH_S * len(peers))
    for peer in peers:
        threading.Thread(target=peer.follow, args=(me, every_s, changed), daemon=True).start()
