"""On a gateway: what its live state is asked, over a socket that only root may open."""

from __future__ import annotations

import json
import socket
from http.client import HTTPConnection, HTTPException
from typing import Any

SOCKET = "/run/rackwright-gateway/state.sock"
TIMEOUT_S = 20
MOST_BYTES = 32 << 20
"""Of an answer: a year of a hundred clients' usage has less."""

Values = dict[str, Any]


class _Connection(HTTPConnection):
    """HTTP to whoever listens on a socket of this host."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(method: str, path: str, body: Values | None = None, where: str = SOCKET) -> Values:
    """``status`` and ``body`` of an answer; ``error`` where there was none, or it was no JSON."""
    connection = _Connection(where)
    try:
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            return {"error": f"the gateway's answer has more than {MOST_BYTES} bytes"}
        return {"status": answer.status, "body": json.loads(content)}
    except (FileNotFoundError, ConnectionRefusedError):
        return {"error": "the gateway does not run here: nobody listens on its socket"}
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        return {"error": f"the gateway gave no answer ({type(error).__name__}: {error})"}
    finally:
        connection.close()


def main(request: Values) -> Values:
    """One question: ``method``, ``path`` and perhaps ``body``."""
    return ask(request["method"], request["path"], request.get("body"))
