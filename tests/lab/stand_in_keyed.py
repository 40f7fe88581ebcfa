"""Stands in for an engine that asks for a key: python3 stand_in_keyed.py ADDRESS PORT FILE.

It answers completions, plain and streamed, with usage as vLLM reports it; a stream has ``events``,
and goes on ``until`` a file is there. Whoever has another key than the file is refused.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ADDRESS, PORT, FILE = sys.argv[1:]
KEY = Path(FILE).read_text().strip()


class Engine(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.say(200, {})

    def do_POST(self) -> None:
        asked: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers["Authorization"] != f"Bearer {KEY}":
            self.say(401, {"error": {"message": "not the engine's key", "code": "engine"}})
        elif asked.get("stream"):
            self.stream(asked)
        else:
            usage = {"prompt_tokens": 10, "completion_tokens": 2}
            choices = [{"message": {"content": "blue"}}]
            self.say(200, {"model": asked["model"], "choices": choices, "usage": usage})

    def stream(self, asked: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(asked.get("events", 5)):
            self.event({"choices": [{"delta": {"content": str(number)}}]})
        while "until" in asked and not Path(asked["until"]).exists():
            self.event({"choices": [{"delta": {"content": "more"}}]})
            time.sleep(0.1)
        if (asked.get("stream_options") or {}).get("include_usage"):
            details = {"cached_tokens": 3}
            usage = {"prompt_tokens": 7, "completion_tokens": 5, "prompt_tokens_details": details}
            self.event({"choices": [], "usage": usage})
        self.event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def event(self, value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        data = f"data: {text}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def say(self, status: int, page: Any) -> None:
        body = json.dumps(page).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


ThreadingHTTPServer((ADDRESS, int(PORT)), Engine).serve_forever()
