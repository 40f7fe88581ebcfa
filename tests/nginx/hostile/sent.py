"""What a row of hostile input is, and how its words are put together, byte by byte.

Every row is sent with the key of a client that may use ``gpt-4o`` and ``whisper-1`` alone, aliases
of what the engines call ``chat`` and ``voice``. The engines know other names too: to have one
reach an engine is what most rows are after.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.samples.stand_in_fleet import secret

CHAT, HEAR = "/v1/chat/completions", "/v1/audio/transcriptions"
KEY = f"Authorization: Bearer {secret('guest')}\r\n".encode()
OTHER = "org/sql"
"""A model of the same engine, which the client may not use."""


@dataclass(frozen=True)
class Sent:
    """``answer`` is what comes back: status and code, ``closed`` where nothing does.

    ``reached``: the model that the engine got; empty where nothing may reach one.
    """

    name: str
    words: bytes
    answer: str
    reached: str = ""


def head(
    method: str = "POST", path: str | bytes = CHAT, more: bytes = b"", *, key: bytes = KEY
) -> bytes:
    """A request's head, but for the empty line at its end."""
    path = path if isinstance(path, bytes) else path.encode()
    return b"%b %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%b%b" % (
        method.encode(),
        path,
        key,
        more,
    )


def whole(
    body: bytes | str, more: bytes = b"", path: str = CHAT, kind: bytes = b"application/json"
) -> bytes:
    """A request with its body, as a client of good faith frames it."""
    body = body if isinstance(body, bytes) else body.encode()
    typed = b"Content-Type: %b\r\n" % kind if kind else b""
    framed = b"%bContent-Length: %d\r\n%b" % (typed, len(body), more)
    return head("POST", path, framed) + b"\r\n" + body


def chunked(body: bytes, more: bytes = b"") -> bytes:
    """The words of a body in chunks, framed by the row itself."""
    return head("POST", CHAT, b"Transfer-Encoding: chunked\r\n" + more) + b"\r\n" + body
