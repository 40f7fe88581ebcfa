"""A completion that is streamed: how many tokens came, and when."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

Values = dict[str, Any]
MOST_LINE = 1 << 16
"""Bytes of one event; whoever is on the port may send without end."""
GARBLED = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
CONTENT = ("content", "reasoning", "reasoning_content")


def stream(
    connection: HTTPConnection, path: str, body: Values, headers: dict[str, str], most_s: float
) -> Values:
    """Ask and listen for at most ``most_s`` seconds; then hang up, which ends the request.

    ``tokens`` are those the engine says it made, or the events that came where it was cut short;
    ``first_s`` is when the first came after asking, ``last_s`` the last. Or ``error``.
    """
    started = time.monotonic()
    asked = {"stream_options": {"include_usage": True}, **body, "stream": True}
    sent = {"Content-Type": "application/json", **headers}
    seen: Values = {"tokens": 0, "first_s": None, "last_s": None, "cut": False}
    try:
        connection.request("POST", path, json.dumps(asked), sent)
        answer = connection.getresponse()
        seen["status"] = answer.status
        if answer.status != 200:
            return {**seen, "body": answer.read(500).decode(errors="replace")}
        for event in _events(answer):
            _count(seen, event, round(time.monotonic() - started, 5))
            if time.monotonic() - started > most_s:
                return {**seen, "cut": True}
    except (OSError, HTTPException) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    except GARBLED as error:
        return {"error": f"{type(error).__name__} in the request or its answer"}
    finally:
        connection.close()
    return seen


def _events(answer: HTTPResponse) -> Iterator[Values]:
    """The JSON of each ``data:`` line, up to ``[DONE]``."""
    while line := answer.readline(MOST_LINE):
        if line.startswith(b"data: [DONE]"):
            return
        if line.startswith(b"data:"):
            yield json.loads(line[5:])


def _count(seen: Values, event: Values, now_s: float) -> None:
    """A first event that only names the role carries no token."""
    if event.get("choices"):
        delta = event["choices"][0].get("delta") or {}
        if "role" not in delta or any(delta.get(key) for key in CONTENT):
            seen["tokens"] += 1
            seen["first_s"] = seen["first_s"] or now_s
            seen["last_s"] = now_s
    if event.get("usage"):
        seen["tokens"] = event["usage"]["completion_tokens"]
