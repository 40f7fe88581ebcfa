"""Stands in for an engine behind the gateway: python3 stand_in_replica.py ADDRESS PORT.

It answers with the line that reached it (``raw``, as it came), the Host, who it is (``by``) and how
many POSTs of clients it had. A body may say how to go on: ``{"silent_s": 3}`` before it answers,
``{"die": true}`` instead of that, ``{"status": 503}``, ``{"pieces": 40}`` of a stream, one each
tenth of a second. It names itself as no engine may, and would send the gateway elsewhere. To any
other body it completes, as the gateway's canary wants it.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Replica(BaseHTTPRequestHandler):
    """Any path, by GET and POST."""

    protocol_version = "HTTP/1.1"
    posts = 0

    def do_GET(self) -> None:
        self.say(200)

    def do_POST(self) -> None:
        Replica.posts += "X-Request-ID" in self.headers  # the gateway's own have none
        body = self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"{}"
        how: dict[str, Any] = json.loads(body)
        time.sleep(how.get("silent_s", 0))
        if how.get("die"):
            self.close_connection = True
            self.connection.close()
            return
        if pieces := how.get("pieces"):
            self.stream(pieces)
            return
        self.say(how.get("status", 200))

    def stream(self, pieces: int) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for number in range(pieces):
            event = f"data: {number}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            time.sleep(0.1)
        self.wfile.write(b"0\r\n\r\n")

    def say(self, status: int) -> None:
        page: dict[str, Any] = {"by": sys.argv[1], "raw": self.requestline, "posts": Replica.posts}
        page |= {"host": self.headers["Host"], "choices": [{"text": "ok"}]}
        body = json.dumps(page).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Rackwright-Replica", "forged")
        self.send_header("X-Request-ID", "forged")
        self.send_header("X-Accel-Redirect", "/nowhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Listening(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


if __name__ == "__main__":
    Listening((sys.argv[1], int(sys.argv[2])), Replica).serve_forever()
