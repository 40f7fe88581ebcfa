"""One HTTP request, and what came of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from typing import Any

COMPLETION_TIMEOUT_S = 120
MOST_BYTES = 1 << 20
"""Of an answer; whoever is on the port may send without end."""

Values = dict[str, Any]


def http(
    connection: HTTPConnection,
    method: str,
    path: str,
    body: Values | None = None,
    headers: dict[str, str] | None = None,
    read: Callable[[str], Any] | None = None,
) -> Values:
    """One request: status, what ``read`` (JSON, or text) makes of it, seconds; or the error."""
    started = time.monotonic()
    try:
        payload = json.dumps(body) if body is not None else None
        sent = {"Content-Type": "application/json", **(headers or {})}
        connection.request(method, path, payload, sent)
        answer = connection.getresponse()
        text = answer.read(MOST_BYTES).decode(errors="replace")
        replica = answer.headers.get("X-Rackwright-Replica")
    except (OSError, HTTPException) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    except ValueError as error:  # its words may hold the key, as in a header that cannot be sent
        return {"error": f"{type(error).__name__} in the request or its answer"}
    finally:
        connection.close()
    seconds = round(time.monotonic() - started, 3)
    return {
        "status": answer.status,
        "body": (read or _json)(text),
        "replica": replica,
        "seconds": seconds,
    }


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text[:500]


def completion_of(model: str, max_tokens: int) -> Values:
    """The body of a completion that is short and the same each time."""
    return {
        "model": model,
        "messages": [{"role": "user", "content": "Answer in one word: what colour is the sky?"}],
        "max_tokens": max_tokens,
        "temperature": 0,
    }


def bearer(key: str) -> dict[str, str]:
    """The header that a key is sent in; none without a key."""
    return {"Authorization": f"Bearer {key}"} if key else {}
