#!/usr/bin/python3
"""Stands in for an engine that fails: prints the log it is given, then ends as it is told.

``/run/why/log`` is what it prints, and after it its key, as no engine should. ``/run/why/ends`` is
how it ends: ``exit 1``, ``signal ILL`` (sent to itself), ``eats`` memory until it is stopped,
``waits`` and answers nobody, or ``serves``.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Engine(BaseHTTPRequestHandler):
    """One that is well."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


def option(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


def eat() -> None:
    held = []
    while True:
        held.append(bytearray(os.urandom(1 << 20)))


key = os.environ.get("VLLM_API_KEY", "no key")
os.write(2, Path("/run/why/log").read_bytes() + f"it was given {key}\n".encode())
word, _, value = Path("/run/why/ends").read_text().strip().partition(" ")
if word == "exit":
    sys.exit(int(value))
if word == "signal":
    os.kill(os.getpid(), getattr(signal, f"SIG{value}"))
if word == "eats":
    eat()
if word == "serves":
    HTTPServer((option("--host"), int(option("--port"))), Engine).serve_forever()
while True:
    time.sleep(60)
