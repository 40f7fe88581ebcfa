"""An answer from elsewhere, over HTTP: so large at most, so late at most, and not from within."""

from __future__ import annotations

import ipaddress
import socket
import zlib
from collections.abc import Callable, Mapping
from threading import Thread
from typing import TypeVar

import httpx

MOST_BYTES = 4 * 1024**2
"""A config.json that names every layer's quantization has some 100 kB."""
TIMEOUT_S, DEADLINE_S = 20, 60
"""For a connection or the next bytes, and for all of it."""
Answer = TypeVar("Answer")
_GZIP = 31
"""Of zlib's ``wbits``: with gzip's own header."""
_TOO_LARGE = "it has more than {} bytes"


def bounded_get(
    url: str,
    headers: Mapping[str, str],
    deadline_s: float = DEADLINE_S,
    most_bytes: int = MOST_BYTES,
) -> bytes:
    """The body at a URL. Raises httpx's errors, and ValueError for an answer that is not taken."""
    return in_time(lambda: _get(url, headers, most_bytes), deadline_s)


def in_time(act: Callable[[], Answer], deadline_s: float) -> Answer:
    """What ``act`` returns or raises; ValueError where it is not there within ``deadline_s``.

    One thread asks, another waits: a server that sends a byte now and then is never late for
    httpx, which counts from one to the next.
    """
    found: list[Answer | Exception] = []

    def ask() -> None:
        try:
            found.append(act())
        except Exception as error:
            found.append(error)

    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(deadline_s)
    if not found:
        raise ValueError(f"it was not there within {deadline_s:g} s")
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def outside_client(url: str) -> httpx.Client:
    """Follows redirects, but none of a public hub to an address that is not public.

    What opens a repository (Authorization) does not follow to another host: httpx drops it.
    """
    first = httpx.URL(url).host

    def refuse_inwards(request: httpx.Request) -> None:
        if request.url.host != first and _is_inside(request.url.host) and not _is_inside(first):
            raise ValueError(f"it leads to {request.url.host}, an address that is not public")

    hooks = {"request": [refuse_inwards]}
    return httpx.Client(timeout=TIMEOUT_S, follow_redirects=True, event_hooks=hooks)


def _get(url: str, headers: Mapping[str, str], most_bytes: int) -> bytes:
    sent = {"Accept-Encoding": "identity", **headers}
    with outside_client(url) as client, client.stream("GET", url, headers=sent) as answer:
        answer.raise_for_status()
        body = _body(answer, most_bytes)
        return _unpacked(body, answer.headers.get("Content-Encoding", "identity"), most_bytes)


def _body(answer: httpx.Response, most_bytes: int) -> bytes:
    """As it is sent: httpx would unpack each piece whole, however large it becomes."""
    body = b""
    for piece in answer.iter_raw():
        body += piece
        if len(body) > most_bytes:
            raise ValueError(_TOO_LARGE.format(most_bytes))
    return body


def _unpacked(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """gzip is read though nobody asked for it: there are files that are kept so."""
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise ValueError(f"it is sent as {encoding[:40]}")
    unpacker = zlib.decompressobj(_GZIP)
    try:
        plain = unpacker.decompress(body, most_bytes)
    except zlib.error as error:
        raise ValueError(f"it is no gzip: {error}") from None
    if not unpacker.eof:
        too_large = _TOO_LARGE.format(most_bytes)
        raise ValueError(too_large if unpacker.unconsumed_tail else "it is half a gzip")
    return plain


def _is_inside(host: str) -> bool:
    """Whether a name is of this machine or of a network that is not public: metadata services."""
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False  # there is nothing to reach, or a proxy knows the name
    return not all(ipaddress.ip_address(str(at[4][0]).partition("%")[0]).is_global for at in found)
