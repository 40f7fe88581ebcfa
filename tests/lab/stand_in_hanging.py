"""Stands in for an engine that hangs when it is told to, until it is started anew: ADDRESS PORT.

It is llama.cpp to those who look: health, figures, completions. Once /run/hangs is made it answers
everything but completions, which it never ends. One that starts later than that is well.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

STARTED_S, HANGS = time.time(), Path("/run/hangs")
ADDRESS, PORT = sys.argv[sys.argv.index("--host") + 1], sys.argv[sys.argv.index("--port") + 1]
requests: list[object] = []
completed: list[object] = []


def hangs() -> bool:
    return HANGS.exists() and HANGS.stat().st_mtime > STARTED_S


class Engine(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/metrics":
            self.say(
                f"llamacpp:requests_processing {len(requests)}\nllamacpp:requests_deferred 0\n"
                f"llamacpp:tokens_predicted_total {len(completed)}\n"
            )
        else:
            self.say({"data": [{"id": "code"}], "models": [{"name": "code"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        requests.append(self)
        while hangs():
            time.sleep(1)
        requests.remove(self)
        completed.append(None)
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        choices = [{"index": 0, "message": {"content": "blue"}, "finish_reason": "stop"}]
        self.say({"object": "chat.completion", "model": "code", "choices": choices, "usage": usage})

    def say(self, page: Any) -> None:
        body = (page if isinstance(page, str) else json.dumps(page)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


ThreadingHTTPServer((ADDRESS, int(PORT)), Engine).serve_forever()
