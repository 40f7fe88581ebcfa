"""The gateway's local socket: HTTP that only root can speak. It knows and changes what is live."""

from __future__ import annotations

import json
import socket
from http.client import HTTPConnection, HTTPException
from typing import Any

TIMEOUT_S = 10.0


class _Socket(HTTPConnection):
    def __init__(self, path: str, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(
    path: str, method: str, target: str, body: Any = None, timeout_s: float = TIMEOUT_S
) -> tuple[int, Any]:
    """Status and body of an answer; the body as JSON, or as text where it is none.

    Raises OSError where nobody listens, or what answers is no HTTP.
    """
    connection = _Socket(path, timeout_s)
    try:
        sent = None if body is None else json.dumps(body)
        connection.request(method, target, sent, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        text = reply.read().decode(errors="replace")
    except HTTPException as error:
        raise OSError(f"{path}: no HTTP answer ({error!r})") from None
    finally:
        connection.close()
    try:
        return reply.status, json.loads(text)
    except ValueError:
        return reply.status, text
