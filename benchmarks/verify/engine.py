"""A stand-in for an engine: answers what `rackwright verify` asks, at once. Runs on a lab host."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL, LENGTH = "tiny-llama", 1024
MODELS = {"object": "list", "data": [{"id": MODEL, "max_model_len": LENGTH}]}
COMPLETION = {
    "object": "chat.completion",
    "model": MODEL,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "blue"}}],
    "usage": {"completion_tokens": 1},
}


class Engine(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._say(MODELS if self.path == "/v1/models" else {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(COMPLETION)

    def _say(self, body: object) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        return


if __name__ == "__main__":
    ThreadingHTTPServer((sys.argv[1], 8000), Engine).serve_forever()
