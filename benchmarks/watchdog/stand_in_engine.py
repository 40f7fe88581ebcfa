"""Stands in for an engine that reads prompts for minutes: python stand_in_engine.py PORT.

One prompt after another, ``first_token_s`` each; nothing of its figures moves until the first
token, the worst that an engine may do. Then ``tokens`` tokens, two a second. ``GET /hang`` has it
make no token any more.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN_S = 0.5
reading = threading.Lock()
well = threading.Event()
well.set()


class Figures:
    """What it tells of itself."""

    lock = threading.Lock()
    running, tokens = 0, 0

    @classmethod
    def add(cls, running: int = 0, tokens: int = 0) -> None:
        with cls.lock:
            cls.running += running
            cls.tokens += tokens


class Engine(BaseHTTPRequestHandler):
    """Any path."""

    def do_GET(self) -> None:
        if self.path == "/hang":
            well.clear()
        self.say(
            f"vllm:num_requests_running {Figures.running}\n"
            f"vllm:generation_tokens_total {Figures.tokens}\n"
        )

    def do_POST(self) -> None:
        asked: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        Figures.add(running=1)
        with reading:
            time.sleep(asked.get("first_token_s", 0))
            well.wait()
        for _ in range(asked.get("tokens", 1)):
            Figures.add(tokens=1)
            time.sleep(TOKEN_S)
        Figures.add(running=-1)
        self.say(json.dumps({"choices": [{"text": "blue"}]}))

    def say(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Engine).serve_forever()
