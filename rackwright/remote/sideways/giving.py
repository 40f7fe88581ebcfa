"""A server's end that peers ask: what it has, and pieces of it. Alive as long as its process is."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from rackwright.remote.sideways.pace import Pace
from rackwright.remote.sideways.signing import is_signed
from rackwright.remote.sideways.store import Store

MOST_CONNECTIONS = 512
"""A peer has one that asks for what there is, and some that take."""
SILENT_S = 60
STATUS = "/status/"
"""With the name of who asks."""

Values = dict[str, Any]


class Given:
    """What peers may have, by the contents' keys; ``status`` is what they are told beside that."""

    def __init__(self, token: str, pace: Pace, status: Callable[[], Values]) -> None:
        """Nothing to give yet."""
        self.token, self.pace, self.status = token, pace, status
        self.stores: Mapping[str, Store] = {}
        self.sent_bytes = 0
        self.is_over = False
        self.told_done: set[str] = set()
        self.lock = threading.Lock()


class Answer(BaseHTTPRequestHandler):
    """The answers on one connection, which stays open."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "rackwright", ""
    timeout = SILENT_S

    def __init__(self, given: Given, *connection: Any) -> None:
        """``given`` is bound when the server is made; the base class answers before it returns."""
        self.given = given
        super().__init__(*connection)

    def setup(self) -> None:
        """What there is to say is said at once."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

    def handle(self) -> None:
        """Answer until the peer hangs up."""
        try:
            super().handle()
        except OSError:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Nothing: what strangers ask is in no log."""

    def do_GET(self) -> None:
        """``/status/NAME``, or ``/KEY/NUMBER``, a piece; 403 for who has not the run's token."""
        if self.given.is_over:
            self.close_connection = True
        elif not is_signed(self.given.token, self.path, self.headers.get("Authorization", "")):
            self._say(403, b"")
            self.close_connection = True
        elif self.path.startswith(STATUS):
            status = self._status()
            self._say(200, json.dumps(status).encode())
            if status["done"]:
                self.given.told_done.add(unquote(self.path[len(STATUS) :]))
        else:
            self._piece(*self.path.strip("/").split("/"))

    def _status(self) -> Values:
        have = {key: f"{store.have:x}" for key, store in list(self.given.stores.items())}
        return {**self.given.status(), "have": have}

    def _piece(self, key: str, number: str = "", *_: str) -> None:
        store = self.given.stores.get(key)
        try:
            if store is None or not number.isdigit():
                raise LookupError(number)
            file = store.open_piece(int(number))
        except (LookupError, OSError):
            self._say(404, b"")
            return
        with file:
            piece = store.content.pieces[int(number)]
            self._head(200, piece.size_bytes)
            self._send(file, piece.start, piece.size_bytes)

    def _send(self, file: Any, start: int, size_bytes: int) -> None:
        """From the disk's cache to the network, within the pace."""
        self.wfile.flush()
        at, end, pace = start, start + size_bytes, self.given.pace
        while at < end:
            size = min(pace.block_bytes, end - at)
            pace.take(size)
            if self.connection.sendfile(file, at, size) != size:
                raise OSError("the file is shorter than it was")
            at += size
        with self.given.lock:
            self.given.sent_bytes += size_bytes

    def _say(self, status: int, body: bytes) -> None:
        self._head(status, len(body))
        self.wfile.write(body)

    def _head(self, status: int, length: int) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()


class Server(ThreadingHTTPServer):
    """Listens at one address alone, and has so many connections at most."""

    daemon_threads, block_on_close = True, False
    request_queue_size = 128

    def __init__(self, address: str, port: int, given: Given) -> None:
        """Raises OSError where nobody can listen there."""
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._given = given
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__((address, port), partial(Answer, given))

    def server_bind(self) -> None:
        """As TCP does, without asking a name server what the address is called."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, where there is room for one more."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Makes room in the end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def end(self) -> None:
        """Nobody is answered any more."""
        self._given.is_over = True
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is not for the operator to read."""


def listen(address: str, port: int, given: Given) -> Server:
    """Answer peers from now on. Raises OSError where nobody can listen there."""
    server = Server(address, port, given)
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    return server
