"""A completion that is streamed: how many tokens came, and when."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any

from rackwright.remote.served.deadline import hung_up_after
from rackwright.remote.served.http import MOST_WORDS, why

Values = dict[str, Any]
MOST_LINE, MOST_TOKENS = 1 << 16, 1 << 20
"""Bytes of one event, tokens of one answer; whoever is on the port may send without end."""
GARBLED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
CONTENT = ("content", "reasoning", "reasoning_content")


def stream(
    connection: HTTPConnection, path: str, body: Values, headers: dict[str, str], most_s: float
) -> Values:
    """Ask and listen for at most ``most_s`` seconds; then hang up, which ends the request.

    The first token is waited for by the connection's timeout, all in all by both.
    ``tokens`` are those the engine says it made, or the events that came where it was cut short;
    ``first_s`` is when the first came after asking, ``last_s`` the last. Or ``error``.
    """
    started = time.monotonic()
    asked = {"stream_options": {"include_usage": True}, **body, "stream": True}
    sent = {"Content-Type": "application/json", **headers}
    seen: Values = {"tokens": 0, "first_s": None, "last_s": None, "cut": False}
    deadline = None
    try:
        with hung_up_after(connection, most_s + (connection.timeout or most_s)) as deadline:
            connection.request("POST", path, json.dumps(asked), sent)
            deadline.sent()
            answer = connection.getresponse()
            seen["status"] = answer.status
            if answer.status != 200:
                return {**seen, "body": answer.read(MOST_WORDS).decode(errors="replace")}
            for event in _events(answer):
                _count(seen, event, round(time.monotonic() - started, 5))
                if time.monotonic() - started > most_s:
                    return {**seen, "cut": True}
            deadline.enforce()
    except (OSError, HTTPException) as error:
        if deadline and deadline.has_come and seen["tokens"]:
            return {**seen, "cut": True}
        return {"error": why(error)}
    except GARBLED as error:
        return {"error": f"{type(error).__name__} in the request or its answer"}
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
        made = event["usage"]["completion_tokens"]
        if type(made) is not int or not 0 <= made <= MOST_TOKENS:
            raise ValueError
        seen["tokens"] = made
