"""``GET /state``: the one thing that the watchdog answers, to whoever the firewall lets in."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rackwright.remote.guard.peers import PATH

MOST_AT_ONCE = 32
SLOW_S, LONGEST_S = 5, 15
"""For each part of a request, and for all of it."""

Values = dict[str, Any]


class _Server(ThreadingHTTPServer):
    """Each in a thread of its own, so many at once: the next is hung up on."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *arguments: Any) -> None:
        self._free = threading.BoundedSemaphore(MOST_AT_ONCE)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be had
            self._free.release()
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        hang_up = threading.Timer(LONGEST_S, self.shutdown_request, (request,))
        hang_up.daemon = True
        try:
            hang_up.start()
            super().process_request_thread(request, client_address)
        finally:
            hang_up.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who hangs up before the answer is no fault."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            print(f"GET {PATH}: {error}", file=sys.stderr, flush=True)


def page_server(address: str, port: int, state: Callable[[], Values]) -> ThreadingHTTPServer:
    """Bound, not yet serving. Raises OSError where it cannot be."""

    class Page(BaseHTTPRequestHandler):
        timeout = SLOW_S
        server_version, sys_version = "rackwright-watchdog", ""

        def do_GET(self) -> None:
            if self.path == PATH:
                self._say(json.dumps(state()).encode())
            else:
                self.send_error(404)

        def _say(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Gateways ask every two seconds."""

    family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
    server: type[ThreadingHTTPServer] = type("Server", (_Server,), {"address_family": family})
    return server((address, port), Page)
