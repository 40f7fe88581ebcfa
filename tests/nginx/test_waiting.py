"""When all replicas are full: who waits, in what order, for how long, and who is refused."""

from __future__ import annotations

import json
import ssl
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPSConnection
from typing import Any

import httpx
import pytest

from lab.local_gateway import LocalGateway, wait_until
from tests.samples.controlled_engine import ControlledEngine, held
from tests.samples.gateway_data import fleet, key, service

CHAT = "/v1/chat/completions"
LENGTH, SLOTS = 20, 1
"""With one place the next is given it when the engine is done: of two, one may overtake."""
BRIEF_S = 3
SERVICES = {"chat": 60, "brief": BRIEF_S}  # how long each lets wait, s


@pytest.fixture(scope="module")
def engine(engines: tuple[ControlledEngine, ControlledEngine]) -> ControlledEngine:
    return engines[0]


@pytest.fixture(scope="module")
def gateway(up: Any, engines: tuple[ControlledEngine, ControlledEngine]) -> LocalGateway:
    services = {
        name: service(name, [engine.port], slots=SLOTS, queue={"length": LENGTH, "wait_s": wait_s})
        for (name, wait_s), engine in zip(SERVICES.items(), engines, strict=True)
    }
    keys = [key(f"rw-{name}", name) for name in ("greedy", "modest", "other")]
    keys.append(key("rw-night", "night", **{"class": "batch"}))
    started: LocalGateway = up(
        fleet(services, keys_required=True),
        keys={"format": 1, "keys": keys},
        workers=4,
    )
    return started


class Asking:
    """Requests of clients at once, each by a connection of its own, in the order they are made."""

    def __init__(self, gateway: LocalGateway, engines: dict[str, ControlledEngine]) -> None:
        self.gateway = gateway
        self.engines = engines
        self.pool = ThreadPoolExecutor(64)

    def state(self, service: str = "chat") -> dict[str, Any]:
        found: dict[str, Any] = self.gateway.ask("GET", "/state")[1]["services"][service]
        return found

    @contextmanager
    def full(self, service: str = "chat") -> Iterator[None]:
        """Every place is taken for the block, however long it lasts."""
        engine = self.engines[service]
        with held(engine):
            taken = [self.one("other", service) for _ in range(SLOTS)]
            wait_until(lambda: engine.in_flight == SLOTS)
            yield
        assert {one.result().status_code for one in taken} == {200}

    def one(self, client: str, service: str = "chat", **body: Any) -> Future[httpx.Response]:
        """Ask, and go on when it is in flight, waits or is refused."""
        before = self.state(service)
        future = self.pool.submit(self._ask, client, {"model": service, "user": client, **body})
        wait_until(lambda: future.done() or self._more(service, before))
        return future

    def _more(self, service: str, before: dict[str, Any]) -> bool:
        now = self.state(service)
        return bool(now["waiting"] + now["in_flight"] > before["waiting"] + before["in_flight"])

    def _ask(self, client: str, body: dict[str, Any]) -> httpx.Response:
        headers = {"authorization": f"Bearer rw-{client}"}
        with httpx.Client(base_url=self.gateway.url, verify=False, timeout=120) as http:
            return http.post(CHAT, json=body, headers=headers)

    def came(self, count: int) -> list[dict[str, Any]]:
        """What the last that reached the engine asked, in that order."""
        return [request.json for request in self.engines["chat"].posts()[-count:]]


@pytest.fixture
def asking(
    gateway: LocalGateway, engines: tuple[ControlledEngine, ControlledEngine]
) -> Iterator[Asking]:
    asking = Asking(gateway, dict(zip(SERVICES, engines, strict=True)))
    yield asking
    asking.pool.shutdown()
    wait_until(lambda: (asking.state()["waiting"], asking.state()["in_flight"]) == (0, 0))


def test_clients_take_turns(asking: Asking, engine: ControlledEngine) -> None:
    """One that came first with many does not keep the others waiting till it is done."""
    engine.most_in_flight = 0
    with asking.full():
        line = [asking.one("greedy") for _ in range(10)] + [asking.one("modest") for _ in range(3)]
        assert asking.state()["waiting"] == 13
    assert {one.result().status_code for one in line} == {200}
    order = [asked["user"] for asked in asking.came(13)]
    assert len(order) - order[::-1].index("modest") <= 8, order
    assert engine.most_in_flight == SLOTS


def test_those_who_are_equal_are_served_as_they_came(asking: Asking) -> None:
    with asking.full():
        line = [asking.one("greedy", number=number) for number in range(12)]
    assert {one.result().status_code for one in line} == {200}
    came = [asked["number"] for asked in asking.came(12)]
    assert came == list(range(12))


def test_batch_waits_for_all_others(asking: Asking) -> None:
    with asking.full():
        line = [asking.one(client) for client in ("night", "modest") for _ in range(4)]
    assert {one.result().status_code for one in line} == {200}
    order = [asked["user"] for asked in asking.came(8)]
    assert Counter(order[:5])["modest"] == 4, order


def test_the_line_is_bounded_and_has_room_for_others(asking: Asking) -> None:
    """One client takes four fifths of it; another still finds a place."""
    with asking.full():
        many = [asking.one("greedy") for _ in range(LENGTH)]
        refused = [one.result() for one in many if one.done()]
        assert len(refused) == LENGTH - 16
        assert {one.json()["error"]["code"] for one in refused} == {"queue_full"}
        assert all(int(one.headers["retry-after"]) >= 1 for one in refused)
        modest = asking.one("modest")
        assert not modest.done()
    assert modest.result().status_code == 200


def test_nobody_waits_longer_than_the_service_says(asking: Asking, gateway: LocalGateway) -> None:
    with asking.full("brief"):
        answer = asking.one("modest", "brief").result()
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "queue_timeout")
        waited_s = gateway.line_of(answer.headers)["request_s"]
        assert BRIEF_S - 0.5 < waited_s < SERVICES["chat"] / 2, "by its own service's figure"


@pytest.mark.parametrize("size", [10, 10_000], ids=["with its headers", "in pieces"])
def test_who_hangs_up_leaves_the_line(
    asking: Asking, engine: ControlledEngine, gateway: LocalGateway, size: int
) -> None:
    """However its body came: Nginx takes some with the headers, the rest when it is asked to."""
    body = json.dumps({"model": "chat", "messages": ["x" * size]}).encode()
    before = len(engine.posts()) + SLOTS
    with asking.full():
        trust = ssl.create_default_context(cafile=str(gateway.certificate))
        hanging = HTTPSConnection("localhost", gateway.port, context=trust)
        headers = {"authorization": "Bearer rw-modest", "content-type": "application/json"}
        hanging.request("POST", CHAT, body, headers)
        wait_until(lambda: asking.state()["waiting"] == 1)
        hanging.close()
        wait_until(lambda: asking.state()["waiting"] == 0)
    assert len(engine.posts()) == before
    wait_until(lambda: 499 in {one["status"] for one in gateway.log_lines()})


def test_a_reload_keeps_the_line(asking: Asking, gateway: LocalGateway) -> None:
    with asking.full():
        line = [asking.one("modest") for _ in range(6)]
        gateway.reload()
    assert {one.result().status_code for one in line} == {200}


def test_a_drained_service_waits_and_a_dead_one_does_not(
    asking: Asking, engine: ControlledEngine, gateway: LocalGateway
) -> None:
    """Who takes the only replica out will bring it back: a restart is a wait, and no error."""
    gateway.ask("PUT", "/replicas/chat-a-0", {"drained": True})
    waits = [asking.one("modest") for _ in range(3)]
    assert asking.state()["waiting"] == 3
    gateway.ask("PUT", "/replicas/chat-a-0", {"drained": False})
    assert {one.result().status_code for one in waits} == {200}
    engine.stop()
    assert asking.one("modest").result().json()["error"]["code"] == "no_replica"
    engine.start()
    assert asking.one("modest").result().status_code == 200
