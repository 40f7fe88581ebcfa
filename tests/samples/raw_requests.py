"""Requests over TLS written byte by byte, as no client library would, and what came back."""

from __future__ import annotations

import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any

PATIENCE_S = 60


@dataclass(frozen=True)
class Answer:
    """Status, headers by lower-case name, and the body as text."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


def context(*versions: ssl.TLSVersion) -> ssl.SSLContext:
    """Trusts anybody: names and certificates are not what is asked about."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    if versions:
        made.set_ciphers("ALL:@SECLEVEL=0")
        made.minimum_version, made.maximum_version = versions[0], versions[-1]
    return made


def request(
    method: str,
    path: str,
    host: str | None,
    *,
    headers: str = "",
    body: str = "",
    http: str = "1.1",
) -> bytes:
    """As it is sent; without a Host where it is None."""
    lines = [f"{method} {path} HTTP/{http}", *([f"Host: {host}"] if host is not None else [])]
    lines += ["Connection: close", *([f"Content-Length: {len(body)}"] if body else [])]
    return ("\r\n".join(lines) + f"\r\n{headers}\r\n{body}").encode()


def send(
    where: tuple[str, int], words: bytes, server_name: str | None, *, tls: bool = True
) -> Answer:
    """Send these words, and read until the other side hangs up."""
    with socket.create_connection(where, PATIENCE_S) as plain:
        if not tls:
            return _answer(plain, words)
        with context().wrap_socket(plain, server_hostname=server_name) as safe:
            return _answer(safe, words)


def _answer(connection: socket.socket, words: bytes) -> Answer:
    connection.sendall(words)
    said = b"".join(iter(lambda: _more(connection), b"")).decode()
    head, _, text = said.partition("\r\n\r\n")
    line, *rest = head.split("\r\n")
    pairs = (one.split(": ", 1) for one in rest)
    return Answer(int(line.split()[1]), {name.lower(): value for name, value in pairs}, text)


def _more(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65536)
    except (ConnectionResetError, ssl.SSLEOFError):  # it refused before it had read all
        return b""
