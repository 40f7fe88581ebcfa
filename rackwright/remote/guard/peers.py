"""Other servers' watchdogs, asked what they say of their replicas."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

from rackwright.remote.served.http import http

ASK_S = 1.0
AT_ONCE = 16
PATH = "/state"

Values = dict[str, Any]
Server = tuple[str, int]


class Watchdogs:
    """What the watchdogs of some servers said last, and from when on they were asked."""

    def __init__(self, servers: set[Server]) -> None:
        """By address and port; nobody was asked yet."""
        self._servers = sorted(servers)
        self._asking = threading.Lock()
        self.asked_s: float | None = None
        self.said: dict[Server, Values] = {}

    def ask(self) -> None:
        """In a thread of its own, unless they are being asked."""
        if self._asking.acquire(blocking=False):
            threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        began_s = time.monotonic()
        try:
            with ThreadPoolExecutor(max_workers=AT_ONCE) as side_by_side:
                answers = list(side_by_side.map(state_of, self._servers))
            pairs = zip(self._servers, answers)
            self.said = {server: answer for server, answer in pairs if answer is not None}
            self.asked_s = began_s
        finally:
            self._asking.release()


def state_of(server: Server) -> Values | None:
    """What one says; None where it is not reached, or says nothing that can be read."""
    reply = http(HTTPConnection(*server, timeout=ASK_S), "GET", PATH)
    body = reply.get("body")
    return body if reply.get("status") == 200 and isinstance(body, dict) else None
