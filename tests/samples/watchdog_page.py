"""A stand-in for a server's watchdog: its one page, and every way in which it can go wrong."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SLOW_S, GAP_S = 3, 0.02


@dataclass
class WatchdogPage:
    """What it says of its replicas, and how: ``mode`` is "well" or a fault of the page itself.

    "silent" takes the question and says nothing, "slow" says the truth too late, "dripping" and
    "endless" never end, "garbled" is no JSON, "deep" nests without end, "old" says one time for
    ever, "status" is 503, "other" another format,
    "list" no object, "odd" has values of no kind that is known.
    """

    replicas: dict[str, dict[str, Any]] = field(default_factory=dict)
    quarantine: dict[str, Any] | None = None
    mode: str = "well"
    port: int = 0
    asked: list[float] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def says(self, name: str, state: str, why: str = "") -> None:
        """From the next answer on."""
        self.replicas[name] = {"state": state, "why": why, "since": time.time()}

    def asked_again(self, rounds: int = 2) -> int:
        """How many questions there were when so many more had come: what they told was heard."""
        until = time.monotonic() + 30
        wanted = len(self.asked) + rounds
        while len(self.asked) < wanted:
            assert time.monotonic() < until, f"asked {len(self.asked)} times"
            time.sleep(0.02)
        return len(self.asked)

    def body(self) -> bytes:
        """As its mode has it."""
        value: Any = {
            "format": 1,
            "host": "gpu1",
            "now": 1790000000 if self.mode == "old" else time.time(),
            "quarantine": self.quarantine,
            "replicas": self.replicas,
        }
        if self.mode == "other":
            value["format"] = 2
        elif self.mode == "list":
            value = [value]
        elif self.mode == "odd":
            value |= {
                "quarantine": "yes",
                "replicas": {name: {"state": 7} for name in self.replicas},
            }
        text = json.dumps(value).encode()
        if self.mode == "garbled":
            return b"\xff\xfe" + text[:-2]
        return b"[" * 100_000 + text if self.mode == "deep" else text

    @contextmanager
    def running(self) -> Iterator[WatchdogPage]:
        """On a port of loopback for the block."""
        page = self

        class Page(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page.asked.append(time.monotonic())
                page.headers.append(dict(self.headers))
                page.answer(self)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Who hangs up on an answer without an end is right."""

        with Server(("127.0.0.1", self.port), Page) as server:
            self.port = server.server_port
            self.stopping.clear()
            thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                self.stopping.set()
                server.shutdown()
                thread.join()

    def answer(self, page: BaseHTTPRequestHandler) -> None:
        """One question."""
        if self.mode == "silent" or (self.mode == "slow" and self.stopping.wait(SLOW_S)):
            self.stopping.wait(SLOW_S)
            return
        page.send_response(503 if self.mode == "status" else 200)
        page.end_headers()
        if self.mode in ("endless", "dripping"):
            piece = b" " * (65536 if self.mode == "endless" else 1)
            while not self.stopping.wait(0 if self.mode == "endless" else GAP_S):
                page.wfile.write(piece)
        page.wfile.write(self.body())
