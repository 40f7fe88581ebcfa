"""``GET /state``: the one thing that the watchdog answers, to whoever the firewall lets in."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rackwright.remote.guard.peers import PATH

MOST_AT_ONCE = 32
SLOW_S = 5

Values = dict[str, Any]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


def page_server(address: str, port: int, state: Callable[[], Values]) -> ThreadingHTTPServer:
    """Bound, not yet serving. Raises OSError where it cannot be."""
    free = threading.BoundedSemaphore(MOST_AT_ONCE)

    class Page(BaseHTTPRequestHandler):
        timeout = SLOW_S
        server_version, sys_version = "rackwright-watchdog", ""

        def do_GET(self) -> None:
            if self.path != PATH:
                self.send_error(404)
            elif not free.acquire(blocking=False):
                self.send_error(503)
            else:
                try:
                    self._say(json.dumps(state()).encode())
                finally:
                    free.release()

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
