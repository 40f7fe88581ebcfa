"""A reload: connections end with an answer before it, and as many may follow as anybody likes."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from lab.local_gateway import LocalGateway, wait_until
from tests.samples.controlled_engine import ControlledEngine
from tests.samples.gateway_data import fleet, service

CHAT, BODY = "/v1/chat/completions", {"model": "chat", "messages": []}
WORKERS, RELOADS = 60, 5
"""More workers than have a number, before anybody looks for dead ones."""


@pytest.fixture(scope="module")
def engine() -> Iterator[ControlledEngine]:
    with ControlledEngine().running() as one:
        yield one


@pytest.fixture(scope="module")
def gateway(up: Any, engine: ControlledEngine) -> LocalGateway:
    started: LocalGateway = up(fleet({"chat": service("chat", [engine.port], slots=64)}))
    return started


def client(gateway: LocalGateway, **more: Any) -> httpx.Client:
    return httpx.Client(base_url=gateway.url, verify=False, timeout=30, **more)


def is_last(answer: httpx.Response) -> bool:
    """Whether it says that its connection ends with it."""
    return "close" in answer.headers.get("connection", "")


def reloaded(gateway: LocalGateway) -> None:
    old = gateway.nginx_pids()[1:]
    gateway.reload()
    wait_until(lambda: not set(gateway.nginx_pids()) & set(old))


def test_an_answer_before_a_reload_is_the_last_of_its_connection(gateway: LocalGateway) -> None:
    with client(gateway) as ask, client(gateway, http2=True) as second:
        assert not is_last(ask.post(CHAT, json=BODY))
        assert gateway.ask("POST", "/reloading")[0] == 200
        for path in ("/v1/models", "/nothing", CHAT):
            assert is_last(ask.request("POST" if path == CHAT else "GET", path, json=BODY)), path
        over_http2 = second.post(CHAT, json=BODY)
        assert (over_http2.http_version, over_http2.status_code) == ("HTTP/2", 200)
        assert "connection" not in over_http2.headers
        reloaded(gateway)
        assert not is_last(ask.post(CHAT, json=BODY)), "the new workers stay"


def test_a_reload_waits_for_streams_that_began_before_its_word(gateway: LocalGateway) -> None:
    """Their heads are out, and say nothing of an end. One that goes on and on is not waited for."""
    with client(gateway) as ask, began(ask, events=8, gap_s=0.25) as answer:
        gateway.ask("POST", "/reloading")
        assert gateway.ask("GET", "/reloading")[0] == 200
        assert in_flight(gateway) == 0
        assert "[DONE]" in answer.read().decode()
        with began(client(gateway), events=600, gap_s=0.5):  # its answer says that it is the last
            assert gateway.ask("GET", "/reloading")[0] == 200
    wait_until(lambda: in_flight(gateway) == 0)
    reloaded(gateway)
    with client(gateway) as ask, began(ask, events=600, gap_s=0.5):
        gateway.ask("POST", "/reloading")
        assert gateway.ask("GET", "/reloading")[0] == 200
        assert in_flight(gateway) == 1
    reloaded(gateway)


@contextmanager
def began(ask: httpx.Client, **how: Any) -> Iterator[httpx.Response]:
    """A stream whose first words have come."""
    with ask.stream("POST", CHAT, json={**BODY, "stream": True, **how}) as answer:
        yield answer


def in_flight(gateway: LocalGateway) -> int:
    return int(gateway.ask("GET", "/state")[1]["services"]["chat"]["in_flight"])


def test_reloads_one_after_another_cost_no_request(gateway: LocalGateway) -> None:
    """Each client on a connection that it keeps."""
    with ThreadPoolExecutor(4) as pool, client(gateway) as ask:
        over: list[bool] = []

        def keep_asking() -> int:
            asked = 0
            while not over:
                assert ask.post(CHAT, json=BODY).status_code == 200
                asked += 1
            return asked

        asking = [pool.submit(keep_asking) for _ in range(4)]
        try:
            for _ in range(3):
                reloaded(gateway)
        finally:
            over.append(True)
        assert all(one.result() for one in asking)


def test_more_workers_than_are_numbered_answer_all_the_same(
    up: Any, engine: ControlledEngine
) -> None:
    """Also to requests that wait, of which workers tell one another."""
    one_at_once = service("chat", [engine.port], slots=1, queue={"length": 20, "wait_s": 30})
    many = up(fleet({"chat": one_at_once}), workers=WORKERS)
    for _ in range(RELOADS):
        old = many.nginx_pids()[1:]
        many.process.send_signal(signal.SIGHUP)
        wait_until(lambda old=old: not set(many.nginx_pids()) & set(old))  # type: ignore[misc]
    with client(many) as ask, ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: ask.post(CHAT, json=BODY).status_code, range(12))
        assert list(answers) == [200] * 12
