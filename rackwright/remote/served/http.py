"""One HTTP request, and what came of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from typing import Any

from rackwright.remote.served.deadline import hung_up_after

COMPLETION_TIMEOUT_S = 120
MOST_BYTES, MOST_JSON = 4 << 20, 1 << 20
"""Of an answer; whoever is on the port may send without end. Metrics of 16 engines are the most."""
MOST_WORDS, MOST_NAME, MOST_DIGITS = 500, 200, 100

Values = dict[str, Any]


def _kind_of(body: Values | str | None) -> str:
    if not isinstance(body, str):
        return "application/json"
    return "multipart/form-data; boundary=" + body.partition("\r\n")[0][2:]


def http(
    connection: HTTPConnection,
    method: str,
    path: str,
    body: Values | str | None = None,
    headers: dict[str, str] | None = None,
    read: Callable[[str], Any] | None = None,
) -> Values:
    """One request: status, what ``read`` (JSON, or text) makes of it, seconds; or the error.

    A body of text is a form that begins with its boundary.
    All of it has to be done within the connection's timeout.
    """
    started = time.monotonic()
    try:
        payload = json.dumps(body) if body is not None and not isinstance(body, str) else body
        sent = {"Content-Type": _kind_of(body), **(headers or {})}
        with hung_up_after(connection, connection.timeout or COMPLETION_TIMEOUT_S) as deadline:
            connection.request(method, path, payload, sent)
            deadline.sent()
            answer = connection.getresponse()
            text = answer.read(MOST_BYTES).decode(errors="replace")
            deadline.enforce()
    except (OSError, HTTPException) as error:
        return {"error": why(error)}
    except (ValueError, OverflowError) as error:
        # Its words may hold the key, as of a header that cannot be sent.
        return {"error": f"{type(error).__name__} in the request or its answer"}
    return {
        "status": answer.status,
        "body": (read or _json)(text),
        "replica": (answer.headers.get("X-Rackwright-Replica") or "")[:MOST_NAME] or None,
        "seconds": round(time.monotonic() - started, 3),
    }


def why(error: Exception) -> str:
    """An error in words; those of a line that is no HTTP quote it."""
    return f"{type(error).__name__}: {error}"[:MOST_WORDS]


def _json(text: str) -> Any:
    try:
        if len(text) <= MOST_JSON:
            return json.loads(text, parse_int=_whole)
    except (ValueError, RecursionError):
        pass
    return text[:MOST_WORDS]


def _whole(digits: str) -> int:
    """A whole number of JSON; before Python 3.11 a long one takes the square of its length."""
    if len(digits) > MOST_DIGITS:
        raise ValueError
    return int(digits)


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
