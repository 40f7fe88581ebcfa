"""Words sent over TLS whatever they are, and all the answers that came back."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.samples.raw_requests import context

PATIENCE_S = 60
BEHIND_S = 0.3
"""How long is waited behind a whole answer for one that nobody asked for."""


@dataclass(frozen=True)
class Answered:
    """One answer. ``headers`` by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body.decode("utf-8"))

    @property
    def words(self) -> str:
        """The status, and of an error its code, as the tables have it."""
        if not self.status:
            return "headless"
        error = self.json.get("error", {}) if self.status >= 400 and self.body else {}
        return " ".join(filter(None, (str(self.status), error.get("code"))))


def outcome(answers: list[Answered]) -> str:
    """``closed`` where no answer came."""
    return " ".join(answer.words for answer in answers) or "closed"


def exchange(where: tuple[str, int], words: bytes, name: str = "localhost") -> list[Answered]:
    """Send, as far as the other side reads, and hear it out."""
    with (
        socket.create_connection(where, PATIENCE_S) as plain,
        context().wrap_socket(plain, server_hostname=name) as safe,
    ):
        with suppress(OSError):  # it may refuse, and read no more
            safe.sendall(words)
        is_head = words.startswith(b"HEAD ")
        return list(read(_heard(safe, is_head), is_head))


def _heard(connection: ssl.SSLSocket, is_head: bool) -> bytes:
    said = b""
    with suppress(ConnectionError, ssl.SSLError, TimeoutError):
        while piece := connection.recv(65536):
            said += piece
            if any(answer.status >= 200 for answer in read(said, is_head)):
                connection.settimeout(BEHIND_S)
    return said


def read(said: bytes, is_head: bool = False) -> Iterator[Answered]:
    """The answers that are whole; to a HEAD they say how long a body is, and have none."""
    while said:
        top, found, rest = said.partition(b"\r\n\r\n")
        if not found:
            if not top.startswith(b"HTTP/"):  # as to HTTP/0.9
                yield Answered(0, {}, said)
            return
        line, *lines = top.decode("latin1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
        status = int(line.split()[1])
        body, whole, said = (b"", True, rest) if is_head else _body(status, headers, rest)
        if not whole:
            return
        yield Answered(status, headers, body)


def _body(status: int, headers: dict[str, str], rest: bytes) -> tuple[bytes, bool, bytes]:
    """The body, whether it is whole, and what follows it."""
    if status < 200 or status in (204, 304):
        return b"", True, rest
    if headers.get("transfer-encoding") == "chunked":
        return _chunks(rest)
    size = int(headers.get("content-length", len(rest)))
    return rest[:size], len(rest) >= size, rest[size:]


def _chunks(rest: bytes) -> tuple[bytes, bool, bytes]:
    body = b""
    while True:
        line, found, rest = rest.partition(b"\r\n")
        if not found:
            return body, False, b""
        size = int(line, 16)
        body, rest = body + rest[:size], rest[size + 2 :]
        if size == 0:
            return body, True, rest
