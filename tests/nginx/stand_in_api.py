"""Stands in for an engine: answers as vLLM does, and keeps a record of all that reached it.

In a request's own body, ``stand_in`` says how to be: ``status`` (an error of the engine's),
``wait`` (until the gate is opened, or the client hangs up), ``pause_s`` (between the events of a
stream), ``steps`` (an event only when the test lets one go), ``cut`` (hang up within it), ``die``
(hang up with no answer), ``behind`` (so many values behind a page's usage).
"""

from __future__ import annotations

import email.message
import email.parser
import email.policy
import hashlib
import json
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.nginx.stand_in_answers import Said, answer, fault

PATIENCE_S = 60


@dataclass
class Reached:
    """A request that reached the engine. ``model`` is what it asks for, where it is readable."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body_sha256: str
    body_bytes: int
    model: Any
    asked: Any
    hung_up: bool = False
    done: bool = False

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


class StandIn(ThreadingHTTPServer):
    """An engine that serves ``models``; ``well`` is what /health says."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(
        self,
        models: tuple[str, ...],
        address: tuple[str, int] = ("127.0.0.1", 0),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(address, _Handler)
        self.models, self.well, self.gate = models, True, threading.Event()
        self.steps = threading.Semaphore(0)
        self.record: list[Reached] = []
        self.canaries: list[Reached] = []
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def start(self) -> StandIn:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        self.gate.set()
        self.shutdown()
        self.server_close()

    def forget(self) -> None:
        self.record.clear()
        self.gate.clear()
        self.steps = threading.Semaphore(0)

    def wait_for(self, met: Callable[[list[Reached]], bool]) -> list[Reached]:
        """The record, once it is so."""
        end = time.monotonic() + PATIENCE_S
        while not met(self.record):
            assert time.monotonic() < end, self.record
            time.sleep(0.01)
        return self.record

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: StandIn
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE_S

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def handle_one_request(self) -> None:
        """Any method, not those alone that have a function; what is no HTTP is recorded too."""
        self.raw_requestline = self.rfile.readline(65537)
        self.command = ""
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            if self.raw_requestline:
                self._keep(b"", None, method="?", path=repr(self.raw_requestline))
            return
        self._serve()
        self.wfile.flush()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        self.close_connection = True

    def _serve(self) -> None:
        if self.path == "/health":
            return self._page(Said(200 if self.server.well else 503, {}))
        body = self._body()
        kind = self.headers.get("Content-Type", "") if "/audio/" in self.path else ""
        asked = _read(kind, body)
        mine = self._keep(body, asked)
        how = asked.get("stand_in", {}) if isinstance(asked, dict) else {}
        if how.get("wait") and not self._waited(self.server.gate.is_set):
            mine.hung_up = True
            self.close_connection = True
            return
        if how.get("die"):
            self.close_connection = True
            return
        try:
            self._answer(asked, how)
            mine.done = True
        except OSError:
            mine.hung_up = True
            self.close_connection = True

    def _body(self) -> bytes:
        """By its length alone: the gateway reads bodies whole, so one in chunks is its fault."""
        if self.headers.get("Transfer-Encoding"):
            self.close_connection = True
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _keep(self, body: bytes, asked: Any, method: str = "", path: str = "") -> Reached:
        headers = list(self.headers.items()) if not method else []
        model = asked.get("model") if isinstance(asked, dict) else None
        mine = Reached(
            method or self.command,
            path or self.path,
            headers,
            hashlib.sha256(body).hexdigest(),
            len(body),
            model,
            asked,
        )
        self.server.record.append(mine)
        return mine

    def _answer(self, asked: Any, how: dict[str, Any]) -> None:
        if status := how.get("status"):
            said = fault(status, "said so by the stand-in", "InternalServerError")
        elif not isinstance(asked, dict):
            said = fault(400, "the body is no object", "BadRequestError")
        else:
            said = answer(self.path.partition("?")[0], asked, self.server.models)
        if how.get("behind"):  # as prompt_logprobs of a long prompt are
            said.page["prompt_logprobs"] = [None] * how["behind"]
        if not said.events:
            return self._page(said)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in [*said.events, ""]:
            if how.get("steps") and not self._waited(self._may_step):
                raise ConnectionResetError
            words = event.encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(words), words))
            if event and how.get("pause_s"):
                self._pause(how["pause_s"])
            if how.get("cut"):
                raise ConnectionResetError

    def _pause(self, for_s: float) -> None:
        if self._is_gone(for_s):
            raise ConnectionResetError

    def _may_step(self) -> bool:
        return self.server.steps.acquire(blocking=False)

    def _waited(self, may_go_on: Callable[[], bool]) -> bool:
        """Whether it was let go on before the client hung up."""
        end = time.monotonic() + PATIENCE_S
        while not may_go_on() and time.monotonic() < end:
            if self._is_gone(0.02):
                return False
        return True

    def _is_gone(self, within_s: float) -> bool:
        readable, _, _ = select.select([self.connection], [], [], within_s)
        if isinstance(self.connection, ssl.SSLSocket):
            return False
        return bool(readable) and self.connection.recv(1, socket.MSG_PEEK) == b""

    def _page(self, said: Said) -> None:
        body = json.dumps(said.page).encode()
        self.send_response(said.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _read(kind: str, body: bytes) -> Any:
    """What was asked for, of JSON or a form; None where it is neither."""
    if kind.lower().startswith("multipart/form-data"):
        head = f"Content-Type: {kind}\r\n\r\n".encode()
        form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        assert isinstance(form, email.message.EmailMessage)
        return {
            str(part.get_param("name", header="content-disposition")): part.get_content()
            for part in form.iter_parts()
            if isinstance(part, email.message.EmailMessage)
            and part.get_filename() is None
            and part.get_content_maintype() == "text"
        }
    try:
        return json.loads(body) if body else {}
    except ValueError:
        return None
