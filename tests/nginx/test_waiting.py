"""When all replicas are full: who waits, in what order, for how long, and who is refused."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPSConnection
from typing import Any

import httpx
import pytest

from lab.local_gateway import LocalGateway, wait_until
from tests.samples.controlled_engine import ControlledEngine
from tests.samples.gateway_data import fleet, key, service

CHAT = "/v1/chat/completions"
LENGTH, WAIT_S = 20, 3
SLOTS = 2


@pytest.fixture(scope="module")
def engine(engines: tuple[ControlledEngine, ControlledEngine]) -> ControlledEngine:
    return engines[0]


@pytest.fixture(scope="module")
def gateway(up: Any, engine: ControlledEngine) -> LocalGateway:
    queue = {"length": LENGTH, "wait_s": WAIT_S}
    keys = [key(f"rw-{name}", name) for name in ("greedy", "modest", "other")]
    keys.append(key("rw-night", "night", **{"class": "batch"}))
    started: LocalGateway = up(
        fleet(
            {"chat": service("chat", [engine.port], slots=SLOTS, queue=queue)}, keys_required=True
        ),
        keys={"format": 1, "keys": keys},
        workers=4,
    )
    return started


class Asking:
    """Requests of clients at once, each by a connection of its own, in the order they are made."""

    def __init__(self, gateway: LocalGateway) -> None:
        self.gateway = gateway
        self.pool = ThreadPoolExecutor(64)
        self.ended: list[tuple[str, int]] = []
        self.lock = threading.Lock()

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.gateway.ask("GET", "/state")[1]["services"]["chat"]
        return found

    def one(self, client: str, delay_s: float = 0.1) -> Future[httpx.Response]:
        """Ask, and go on when it is in flight, waits or is refused."""
        before = self.state()
        future = self.pool.submit(self._ask, client, delay_s)
        wait_until(lambda: future.done() or self._more(before))
        return future

    def _more(self, before: dict[str, Any]) -> bool:
        now = self.state()
        return bool(now["waiting"] + now["in_flight"] > before["waiting"] + before["in_flight"])

    def _ask(self, client: str, delay_s: float) -> httpx.Response:
        headers = {"authorization": f"Bearer rw-{client}"}
        with httpx.Client(base_url=self.gateway.url, verify=False, timeout=30) as http:
            answer = http.post(CHAT, json={"model": "chat", "delay_s": delay_s}, headers=headers)
        with self.lock:
            self.ended.append((client, answer.status_code))
        return answer


@pytest.fixture
def asking(gateway: LocalGateway) -> Any:
    asking = Asking(gateway)
    yield asking
    asking.pool.shutdown()
    wait_until(lambda: (asking.state()["waiting"], asking.state()["in_flight"]) == (0, 0))


def test_clients_take_turns(asking: Asking, engine: ControlledEngine) -> None:
    """One that came first with many does not keep the others waiting till it is done."""
    engine.most_in_flight = 0
    full = [asking.one("other", delay_s=1.5) for _ in range(SLOTS)]
    first = [asking.one("greedy", 0.05) for _ in range(10)]
    later = [asking.one("modest", 0.05) for _ in range(3)]
    assert asking.state()["waiting"] == 13
    assert {one.result().status_code for one in (*full, *first, *later)} == {200}
    order = [client for client, _ in asking.ended if client != "other"]
    assert len(order) - order[::-1].index("modest") <= 8, order
    assert engine.most_in_flight == SLOTS


def test_those_who_are_equal_are_served_as_they_came(
    asking: Asking, engine: ControlledEngine
) -> None:
    full = [asking.one("other", delay_s=1) for _ in range(SLOTS)]
    wait_until(lambda: engine.in_flight == SLOTS)
    before = len(engine.posts())
    line = [asking.one("greedy", delay_s=0.001 * n) for n in range(12)]
    assert {one.result().status_code for one in (*full, *line)} == {200}
    came = [round(1000 * request.json["delay_s"]) for request in engine.posts()[before:]]
    # Two places that are free at once are given in order, and taken as their connections come.
    assert all(abs(place - number) < SLOTS for place, number in enumerate(came)), came


def test_batch_waits_for_all_others(asking: Asking) -> None:
    full = [asking.one("other", delay_s=1) for _ in range(SLOTS)]
    night = [asking.one("night", 0.05) for _ in range(4)]
    day = [asking.one("modest", 0.05) for _ in range(4)]
    assert {one.result().status_code for one in (*full, *night, *day)} == {200}
    order = [client for client, _ in asking.ended if client != "other"]
    assert Counter(order[:5])["modest"] == 4, order


def test_the_line_is_bounded_and_has_room_for_others(asking: Asking) -> None:
    """One client takes four fifths of it; another still finds a place."""
    full = [asking.one("other", delay_s=1.5) for _ in range(SLOTS)]
    many = [asking.one("greedy", 0.02) for _ in range(LENGTH)]
    refused = [one.result() for one in many if one.done()]
    assert len(refused) == LENGTH - 16
    assert {one.json()["error"]["code"] for one in refused} == {"queue_full"}
    assert all(int(one.headers["retry-after"]) >= 1 for one in refused)
    assert asking.one("modest", 0.02).result().status_code == 200
    assert {one.result().status_code for one in full} == {200}


def test_nobody_waits_longer_than_the_service_says(asking: Asking) -> None:
    full = [asking.one("other", delay_s=WAIT_S + 2) for _ in range(SLOTS)]
    started = time.monotonic()
    answer = asking.one("modest").result()
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "queue_timeout")
    assert WAIT_S - 0.5 < time.monotonic() - started < WAIT_S + 1.5
    assert {one.result().status_code for one in full} == {200}


def test_who_hangs_up_leaves_the_line(
    asking: Asking, engine: ControlledEngine, gateway: LocalGateway
) -> None:
    engine.holds = True
    full = [asking.one("other") for _ in range(SLOTS)]
    wait_until(lambda: engine.in_flight == SLOTS)
    before = len(engine.posts())
    trust = ssl.create_default_context(cafile=str(gateway.certificate))
    hanging = HTTPSConnection("localhost", gateway.port, context=trust)
    headers = {"authorization": "Bearer rw-modest", "content-type": "application/json"}
    hanging.request("POST", CHAT, json.dumps({"model": "chat"}), headers)
    wait_until(lambda: asking.state()["waiting"] == 1)
    hanging.close()
    wait_until(lambda: asking.state()["waiting"] == 0)
    engine.holds = False
    assert {one.result().status_code for one in full} == {200}
    assert len(engine.posts()) == before
    wait_until(lambda: 499 in {one["status"] for one in gateway.log_lines()})


def test_a_reload_keeps_the_line(asking: Asking, gateway: LocalGateway) -> None:
    full = [asking.one("other", delay_s=1.5) for _ in range(SLOTS)]
    line = [asking.one("modest", 0.05) for _ in range(6)]
    gateway.reload()
    assert {one.result().status_code for one in (*full, *line)} == {200}


def test_a_drained_service_waits_and_a_dead_one_does_not(
    asking: Asking, engine: ControlledEngine, gateway: LocalGateway
) -> None:
    """Who takes the only replica out will bring it back: a restart is a wait, and no error."""
    gateway.ask("PUT", "/replicas/chat-a-0", {"drained": True})
    waits = [asking.one("modest", 0.05) for _ in range(3)]
    assert asking.state()["waiting"] == 3
    gateway.ask("PUT", "/replicas/chat-a-0", {"drained": False})
    assert {one.result().status_code for one in waits} == {200}
    engine.stop()
    assert asking.one("modest").result().json()["error"]["code"] == "no_replica"
    engine.start()
    assert asking.one("modest").result().status_code == 200
