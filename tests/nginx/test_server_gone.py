"""A server whose power is gone: what it had ends soon, and slow engines are left alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any

import httpx
import pytest

from lab.local_gateway import LocalGateway, wait_until
from tests.samples.controlled_engine import ControlledEngine
from tests.samples.gateway_data import fleet, service

CHAT = "/v1/chat/completions"
GONE_S = 30
"""Without an answer of TCP's, after which a server is gone."""
WITHIN_S = GONE_S + 15
"""With the round in which that is seen, and a machine that is busy."""
SLOW_S = 55
"""So long an engine that lives says nothing: longer than one that is gone is waited for."""
NEEDS = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("nft") is None,
    reason="packets are dropped by rules of nftables, for which root is needed",
)
Answered = tuple[httpx.Response | None, float]


@contextmanager
def silence_at(port: int) -> Iterator[None]:
    """Nothing reaches the port nor comes from it, as when the power of its server is gone."""
    table = f"rackwright-test-{port}"
    rules = (
        f"table inet {table} {{\nchain input {{\ntype filter hook input priority -200;\n"
        f"iifname lo tcp dport {port} drop\niifname lo tcp sport {port} drop\n}}\n}}\n"
    )
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", table], check=True)


class Unread(StreamRequestHandler):
    """Of an engine that lives and leaves a body where it is, until the test lets it read on."""

    server: UnreadServer

    def handle(self) -> None:
        """One request."""
        head = b"".join(iter(self.rfile.readline, b"\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        if length > 2**20:
            self.server.may_read.wait(SLOW_S + WITHIN_S)
        self.rfile.read(length)
        body = b'{"choices": [{"message": {"content": "hi"}}]}'
        self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
                         b"Content-Type: application/json\r\n"
                         b"Content-Length: %d\r\n\r\n%s" % (len(body), body))  # fmt: skip


class UnreadServer(ThreadingTCPServer):
    """On a port of loopback."""

    daemon_threads = True

    def __init__(self) -> None:
        """Listens from now on."""
        super().__init__(("127.0.0.1", 0), Unread)
        self.may_read = Event()
        Thread(target=self.serve_forever, daemon=True).start()

    def server_close(self) -> None:
        """Also end the thread."""
        self.may_read.set()
        self.shutdown()
        super().server_close()


def ask(gateway: LocalGateway, model: str, **more: Any) -> tuple[httpx.Response | None, float]:
    """The answer, None where it broke off, and after how long."""
    began, answer = time.monotonic(), None
    client = httpx.Client(base_url=gateway.url, verify=False, timeout=2 * SLOW_S)
    with client, suppress(httpx.RemoteProtocolError):
        answer = client.post(CHAT, json={"model": model, **more})
    return answer, time.monotonic() - began


def assert_lost(asked: Future[Answered]) -> None:
    answer, took_s = asked.result(WITHIN_S)
    assert answer is not None and took_s < WITHIN_S
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "replica_lost")


@NEEDS
def test_what_is_in_flight_on_it_ends_and_slow_engines_are_not_cut_off(up: Any) -> None:
    with (
        ThreadPoolExecutor(8) as pool,
        ControlledEngine().running() as dying,
        ControlledEngine().running() as slow,
        UnreadServer() as full,
    ):
        ports = {"dying": dying.port, "slow": slow.port, "full": full.server_address[1]}
        gateway = up(
            fleet({name: service(name, [port]) for name, port in ports.items()}), workers=1
        )
        long = {"delay_s": 600}
        prefill = pool.submit(ask, gateway, "slow", delay_s=SLOW_S)
        pauses = pool.submit(ask, gateway, "slow", stream=True, events=2, gap_s=SLOW_S / 2)
        unread = pool.submit(ask, gateway, "full", user="x" * 2**24)
        waiting = pool.submit(ask, gateway, "dying", **long)
        streaming = pool.submit(ask, gateway, "dying", stream=True, events=600, gap_s=0.5)
        wait_until(lambda: dying.in_flight == 2 and slow.in_flight == 2)
        assert ask(gateway, "dying")[0] is not None, "and leaves a connection that is used again"
        with silence_at(dying.port):
            sent = pool.submit(ask, gateway, "dying", **long)
            assert_lost(waiting)
            assert_lost(sent)
            answer, took_s = streaming.result(WITHIN_S)
            assert answer is None and took_s < WITHIN_S, "it is cut off where it was"
            assert len(dying.posts()) == 3, "the last of them never arrived, nor was it sent again"
        full.may_read.set()
        answer, took_s = unread.result(WITHIN_S)
        assert answer is not None and answer.status_code == 200 and took_s > GONE_S
        for living in (prefill, pauses):
            answer, took_s = living.result(SLOW_S + WITHIN_S)
            assert answer is not None and answer.status_code == 200 and took_s > SLOW_S - 1
