"""Whoever is on an engine's port: what it sends is bounded in bytes and time, and no crash."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from rackwright.remote import watching
from rackwright.remote.await_ready import answers
from rackwright.remote.served.burst import burst
from rackwright.remote.served.http import MOST_BYTES, http
from rackwright.remote.served.metrics import figures
from rackwright.remote.served.streaming import stream

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LIMIT_S = 0.2
WITHIN_S = 15
"""Deadlines here are of LIMIT_S; two busy cores need their time."""
Write = Callable[[socket.socket], None]


def endless(head: bytes, block: bytes, pause_s: float = 0.0) -> Write:
    def write(line: socket.socket) -> None:
        line.sendall(head)
        while True:
            line.sendall(block)
            if pause_s:
                time.sleep(pause_s)

    return write


def drip(head: bytes, block: bytes = b"x") -> Write:
    return endless(head, block, pause_s=0.02)


EVENT = b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n'
ENDLESS = {
    "body": endless(OK + b"\r\n", b" " * 65536),
    "chunks": endless(CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"),
    "one line": endless(OK + b"\r\n", b"data: " + b"[" * 65536),
    "status": endless(b"", b"x" * 65536),
    "headers": endless(OK, b"a: b\r\n" * 1000),
    "continue": endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "trailers": endless(CHUNKED + b"0\r\n", b"a: b\r\n" * 1000),
    "compressed": endless(OK + b"Content-Encoding: gzip\r\n\r\n", b"\x1f\x8b" * 30000),
    "events": endless(OK + b"\r\n", EVENT * 100),
    "dripping status": drip(b"HTTP/1.1 "),
    "dripping header": drip(OK + b"a: "),
    "dripping headers": drip(OK, b"a"),
    "dripping body": drip(OK + b"\r\n"),
    "dripping length": drip(OK + b"Content-Length: 100000\r\n\r\n"),
    "dripping chunk": drip(CHUNKED + b"ffff\r\n"),
    "dripping size": drip(CHUNKED, b"1"),
    "dripping trailer": drip(CHUNKED + b"0\r\n", b"a: b\r\n"),
    "dripping line": drip(OK + b"\r\ndata: "),
    "silence": lambda line: time.sleep(30),
}
each_endless = pytest.mark.parametrize("write", ENDLESS.values(), ids=list(ENDLESS))


@pytest.fixture
def says() -> Iterator[Callable[[Write], int]]:
    """A port on which every connection is answered by ``write``."""
    ports: list[socket.socket] = []

    def serve(server: socket.socket, write: Write) -> None:
        while True:
            try:
                line, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(line, write), daemon=True).start()

    def one(line: socket.socket, write: Write) -> None:
        with line:
            line.recv(65536)
            try:
                write(line)
            except OSError:
                return

    def start(write: Write) -> int:
        ports.append(socket.create_server(("127.0.0.1", 0)))
        threading.Thread(target=serve, args=(ports[-1], write), daemon=True).start()
        return int(ports[-1].getsockname()[1])

    yield start
    for port in ports:
        port.shutdown(socket.SHUT_RDWR)  # which ends the waiting for connections too
        port.close()


def connection(port: int, timeout_s: float = LIMIT_S) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", port, timeout=timeout_s)


@each_endless
def test_a_request_is_over_in_time_whatever_comes(
    write: Write, says: Callable[[Write], int]
) -> None:
    started_s = time.monotonic()
    reply = http(connection(says(write)), "GET", "/")
    assert time.monotonic() - started_s < WITHIN_S
    assert "error" in reply or len(json.dumps(reply["body"])) < MOST_BYTES
    assert len(str(reply.get("error", ""))) <= 500


@each_endless
def test_so_is_a_stream(write: Write, says: Callable[[Write], int]) -> None:
    started_s = time.monotonic()
    seen = stream(connection(says(write)), "/", {}, {}, most_s=LIMIT_S)
    assert time.monotonic() - started_s < WITHIN_S
    assert "error" in seen or seen["cut"] or seen["status"] != 200 or not seen["tokens"]


@each_endless
def test_so_is_a_reading_of_metrics(
    write: Write, says: Callable[[Write], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "TIMEOUT_S", LIMIT_S)
    asked = {
        "address": "127.0.0.1",
        "port": says(write),
        "path": "/metrics",
        "figures": {"a": ("b", "")},
    }
    started_s = time.monotonic()
    seen = watching.answer(asked)
    assert time.monotonic() - started_s < WITHIN_S
    assert "error" in seen or seen["figures"] == {"a": None}


def test_an_answer_that_was_cut_at_the_deadline_is_an_error(says: Callable[[Write], int]) -> None:
    """Without a length, what had come by then would pass for all of it."""
    reply = http(connection(says(drip(OK + b"\r\n", b"1")), 2), "GET", "/")
    assert reply["error"] == "TimeoutError: not done within 2 s"


@pytest.mark.parametrize(
    "made", ['"x"', "null", "[]", "1e3", "-1", "true", "9" * 5000, "99999999999"], ids=str
)
def test_tokens_that_are_no_number_of_tokens(made: str, says: Callable[[Write], int]) -> None:
    event = f'data: {{"usage": {{"completion_tokens": {made}}}}}\n\n'
    port = says(lambda line: line.sendall(OK + b"\r\n" + event.encode()))
    asked = {"name": "a", "address": "127.0.0.1", "port": port, "path": "/", "headers": {},
             "body": {}, "requests": 1, "others": 0, "most_s": 0.3, "gpus": []}  # fmt: skip
    assert burst([asked])["a"]["errors"] == ["ValueError in the request or its answer"]


@pytest.mark.parametrize(
    "body",
    ["9" * 1_000_000, "[" * 500_000, '{"a": ' + "9" * 1_000_000 + "}", '"' + "\\u0041" * 100_000,
     '{"a":' * 100_000, "1e999999999", "NaN", "\ud800".encode("utf-8", "surrogatepass")],
    ids=lambda body: str(body[:8]),
)  # fmt: skip
def test_json_that_is_slow_or_deep(body: str | bytes, says: Callable[[Write], int]) -> None:
    text = body if isinstance(body, bytes) else body.encode()
    port = says(lambda line: line.sendall(OK + b"\r\n" + text))
    started_s = time.monotonic()
    reply = http(connection(port, 5), "GET", "/")
    assert time.monotonic() - started_s < WITHIN_S
    assert reply["status"] == 200 and len(str(reply["body"])) <= 500


UNITS = (
    " ",
    "\t",
    "\r",
    "a",
    "1",
    " 1",
    "- ",
    "_",
    "{",
    "}",
    "=",
    ",",
    '"',
    "\\\\",
    '\\"',
    'a="",',
)
UNITS += ('a="" ,', ' a = "b" ,')
BEGINS = ("", "a", "a ", "a{", 'a{b="', 'a{b="c"', 'a{b="c",', 'a{b="c"}', "a 1", "a 1 ", "a{}1 ")


@pytest.mark.parametrize("begin", BEGINS)
def test_metrics_are_read_in_linear_time(begin: str) -> None:
    """A line of a megabyte of each kind: what took the square of its length would take hours."""
    wanted: dict[str, Any] = {"x": ("a", "b")}
    for unit in UNITS:
        for end in ("", "x", "} 1_", '"'):
            line = begin + unit * (100_000 // len(unit)) + end
            started_s = time.process_time()
            assert figures(line, wanted) in ({"x": None}, {"x": 1.0}, {"x": 0.0})
            assert time.process_time() - started_s < 2.0, (begin, unit, end)


def test_an_engine_that_leads_elsewhere_is_not_ready(says: Callable[[Write], int]) -> None:
    """What an answer names is no address that root asks next."""
    port = says(lambda line: line.sendall(OK + b"\r\n"))
    moved = b"HTTP/1.1 302 x\r\nContent-Length: 0\r\nLocation: "
    leads = says(lambda line: line.sendall(moved + f"http://127.0.0.1:{port}/\r\n\r\n".encode()))
    assert answers("127.0.0.1", port, "/health")
    assert not answers("127.0.0.1", leads, "/health")
