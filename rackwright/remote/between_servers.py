"""On the host: what TCP carries from another server, or to one. Writes nothing; bounded in time.

Of two servers one listens and the other sends, on several connections at once, as NCCL does over
sockets. What arrives is counted, by the one that listens.
"""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

ONLY_LOOKS = True
STREAMS = 4
CHUNK_BYTES = 4 << 20
AGAIN_S, SPARE_S = 0.1, 10.0

Values = dict[str, Any]


def main(transfers: list[Values]) -> Values:
    """Each after the other, by ``peer``.

    ``listens`` says which part this host has; ``address`` and ``port`` are those of who listens,
    ``wait_s`` is for the other to come, ``seconds`` for the transfer.
    """
    return {one["peer"]: _done(one) for one in transfers}


def _done(asked: Values) -> Values:
    try:
        return _received(asked) if asked["listens"] else _sent(asked)
    except OSError as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _received(asked: Values) -> Values:
    where = (asked["address"], asked["port"])
    family = socket.getaddrinfo(*where, type=socket.SOCK_STREAM)[0][0]
    with socket.create_server(where, family=family, backlog=STREAMS) as door:
        door.settimeout(asked["wait_s"])
        streams = [door.accept()[0] for _ in range(STREAMS)]
    began_s = time.monotonic()
    until_s = began_s + asked["seconds"] + SPARE_S
    with ThreadPoolExecutor(STREAMS) as side_by_side:
        counts = list(side_by_side.map(lambda one: _count(one, until_s), streams))
    seconds = time.monotonic() - began_s
    return {"gbit_per_s": sum(counts) * 8 / seconds / 1e9, "seconds": seconds, "streams": STREAMS}


def _count(stream: socket.socket, until_s: float) -> int:
    """Bytes that arrive until the other end closes."""
    buffer, total = bytearray(CHUNK_BYTES), 0
    stream.settimeout(SPARE_S)
    with stream:
        while time.monotonic() < until_s:
            count = stream.recv_into(buffer)
            if not count:
                break
            total += count
    return total


def _sent(asked: Values) -> Values:
    with ThreadPoolExecutor(STREAMS) as side_by_side:
        streams = list(side_by_side.map(lambda _: _connected(asked), range(STREAMS)))
        until_s = time.monotonic() + asked["seconds"]
        counts = list(side_by_side.map(lambda one: _send(one, until_s), streams))
    return {"sent_bytes": sum(counts)}


def _connected(asked: Values) -> socket.socket:
    """Who listens may be later than who sends."""
    deadline = time.monotonic() + asked["wait_s"]
    while True:
        try:
            return socket.create_connection((asked["address"], asked["port"]), timeout=SPARE_S)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(AGAIN_S)


def _send(stream: socket.socket, until_s: float) -> int:
    chunk, total = bytes(CHUNK_BYTES), 0
    with stream:
        while time.monotonic() < until_s:
            stream.sendall(chunk)
            total += len(chunk)
    return total
