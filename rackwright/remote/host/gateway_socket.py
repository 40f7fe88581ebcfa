"""The gateway's local socket: HTTP that only root can speak. It knows and changes what is live."""

from __future__ import annotations

import json
from typing import Any

TIMEOUT_S = 10.0


def ask(
    path: str, method: str, target: str, body: Any = None, timeout_s: float = TIMEOUT_S
) -> tuple[int, Any]:
    """Status and body of an answer; the body as JSON, or as text where it is none.

    Raises OSError where nobody listens, or what answers is no HTTP.
    """
    import socket  # of all hosts gateways alone need these
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection("localhost", timeout=timeout_s)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.sock.settimeout(timeout_s)
        connection.sock.connect(path)
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
