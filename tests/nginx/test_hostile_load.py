"""What is slow, endless, or too much at once: the door answers others, and forgets all of it."""

from __future__ import annotations

import resource
import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from lab.local_gateway import LocalGateway, wait_until
from tests.nginx.hostile.bodies import GOOD
from tests.nginx.hostile.sent import CHAT, KEY, head, whole
from tests.samples.exchanges import exchange, outcome, read
from tests.samples.raw_requests import context
from tests.samples.stand_in_fleet import StandInFleet, secret

MIB = 2**20
MANY = 400
PROMPT_S = 30
"""Half of what Nginx gives a slow client, which who waits behind one takes; else some ms."""


@pytest.fixture(scope="module")
def gateway(up: Any, served: StandInFleet) -> LocalGateway:
    return served.behind(up)


@pytest.fixture(autouse=True)
def the_door_stays_up(gateway: LocalGateway, served: StandInFleet) -> Iterator[None]:
    served.forget()
    before = memory_bytes(gateway)
    yield
    assert plainly(gateway) < PROMPT_S
    wait_until(lambda: in_flight(gateway) == 0)
    assert memory_bytes(gateway).keys() == before.keys(), "a worker died"


def plainly(gateway: LocalGateway) -> float:
    """Seconds that a plain request takes."""
    started = time.monotonic()
    assert outcome(exchange(("127.0.0.1", gateway.port), whole(GOOD))) == "200"
    return time.monotonic() - started


def in_flight(gateway: LocalGateway) -> int:
    services = gateway.ask("GET", "/state")[1]["services"].values()
    return sum(one["in_flight"] + one["waiting"] for one in services)


def memory_bytes(gateway: LocalGateway) -> dict[int, int]:
    """Of each worker, by its process id."""
    assert gateway.process
    children = Path(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children")
    workers = [int(one) for one in children.read_text().split()]
    page = resource.getpagesize()
    sizes = {}
    for worker in workers:
        sizes[worker] = int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * page
    return sizes


def opened(gateway: LocalGateway, stack: ExitStack) -> ssl.SSLSocket:
    plain = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), 30))
    return stack.enter_context(context().wrap_socket(plain, server_hostname="localhost"))


SLOW = {
    "no word": b"",
    "a head without its end": head(more=b"X: a"),
    "a body without its end": head(more=b"Content-Length: 1000\r\n") + b"\r\n{",
    "chunks without their end": head(more=b"Transfer-Encoding: chunked\r\n") + b"\r\n1\r\n{\r\n",
}


@pytest.mark.parametrize("words", SLOW.values(), ids=SLOW)
def test_slow_clients_hold_nobody_up(
    gateway: LocalGateway, served: StandInFleet, words: bytes
) -> None:
    """They go on by a byte each now and then, and never come to their end."""
    with ExitStack() as stack:
        connections = [opened(gateway, stack) for _ in range(MANY)]
        for connection in connections:
            connection.sendall(words)
        for _ in range(3):
            for connection in connections:
                connection.sendall(b"1"[: bool(words)])
            assert plainly(gateway) < PROMPT_S
        wait_until(lambda: in_flight(gateway) == 0)  # the last plain one ends behind its answer
    assert {one.model for one in served.reached()} == {"chat"}
    assert len(served.reached()) == 3


def test_a_body_without_end_is_refused_at_its_limit(
    gateway: LocalGateway, served: StandInFleet
) -> None:
    chunk = b"100000\r\n" + b" " * MIB + b"\r\n"
    with ExitStack() as stack:
        connection = opened(gateway, stack)
        connection.sendall(head(more=b"Transfer-Encoding: chunked\r\n") + b"\r\n")
        sent = 0
        with suppress(OSError):
            while sent < 64:
                connection.sendall(chunk)
                sent += 1
        said = b""
        with suppress(OSError):
            while piece := connection.recv(65536):
                said += piece
    assert said == b"" or outcome(list(read(said))) == "413 request_too_large"
    assert served.reached() == []
    wait_until(lambda: 413 in [line["status"] for line in gateway.log_lines()])


def test_many_large_bodies_at_once(gateway: LocalGateway, served: StandInFleet) -> None:
    """Each worker has several whole ones in memory: they pass, and the memory comes back."""
    large = whole('{"model": "gpt-4o", "messages": ["%s"]}' % ("a" * 30 * MIB))
    with ThreadPoolExecutor(16) as pool:
        answers = Counter(
            pool.map(lambda _: outcome(exchange(("127.0.0.1", gateway.port), large)), range(32))
        )
    assert answers == {"200": 32}
    assert {one.body_bytes > 30 * MIB for one in served.reached()} == {True}
    for _ in range(200):  # what is garbage goes as work comes
        plainly(gateway)
    assert max(memory_bytes(gateway).values()) < 600 * MIB


def test_wrong_keys_at_speed(gateway: LocalGateway, served: StandInFleet) -> None:
    """A connection each 250 keys; one that is right is answered between them."""
    wrong = (
        head(key=b"Authorization: Bearer rw-" + b"A" * 43 + b"\r\n", more=b"Content-Length: 0\r\n")
        + b"\r\n"
    )
    wrong = wrong.replace(b"Connection: close", b"Connection: keep-alive")

    def guess(_: int) -> int:
        with ExitStack() as stack:
            connection = opened(gateway, stack)
            said = b""
            for _ in range(250):
                connection.sendall(wrong)
            while said.count(b"invalid_api_key") < 250:
                said += connection.recv(65536)
            return said.count(b"HTTP/1.1 401")

    with ThreadPoolExecutor(8) as pool:
        guesses = pool.map(guess, range(16))
        assert plainly(gateway) < PROMPT_S
        assert sum(guesses) == 16 * 250
    assert len(served.reached()) == 1


def test_clients_that_hang_up_at_once(gateway: LocalGateway, served: StandInFleet) -> None:
    """Behind the whole request, at any of its parts, while it waits for a place of its own."""
    words = whole(GOOD.replace("gpt-4o", "slow").replace("}", ', "stand_in": {"wait": true}}'))
    alice = words.replace(KEY, alice_s_key())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda size: cut_off(gateway, alice[:size]), range(1, len(alice) + 1, 3)))
        list(pool.map(lambda _: cut_off(gateway, alice), range(100)))
    wait_until(lambda: in_flight(gateway) == 0)


def alice_s_key() -> bytes:
    return b"Authorization: Bearer " + secret("alice").encode() + b"\r\n"


def cut_off(gateway: LocalGateway, words: bytes) -> None:
    with ExitStack() as stack:
        opened(gateway, stack).sendall(words)


def test_many_pipelined_requests(gateway: LocalGateway, served: StandInFleet) -> None:
    """Requests that do not wait for their answers get them in order."""
    one = whole(GOOD).replace(b"Connection: close", b"Connection: keep-alive")
    with ExitStack() as stack:
        connection = opened(gateway, stack)
        connection.sendall(one * 50 + head("GET", "/metrics") + b"\r\n")
        said = b""
        while piece := connection.recv(65536):
            said += piece
    assert outcome(list(read(said))) == " ".join(["200"] * 50 + ["404 not_found"])
    at_chat = [one for engine in served.engines["chat"] for one in engine.record]
    assert [one.path for one in at_chat] == [CHAT] * 50
