"""Who is out at the gateway is off the list of vLLM's own router: nobody loses by it."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.gateway.environments import VLLM_ROUTER, programs
from benchmarks.gateway.processes import running, wait_for_port
from lab.local_gateway import LocalGateway, wait_until
from lab.ports import free_port
from rackwright.routers.vllm_router import VLLM_ROUTER as KIND
from tests.samples.controlled_engine import ControlledEngine, held
from tests.samples.gateway_data import fleet, service

CHAT = "/v1/chat/completions"
FIRST, SECOND, ROUTER = "chat-a-0", "chat-b-0", "router-chat"
SHORTEST_S = 5
"""Of a lease."""
Engines = tuple[ControlledEngine, ControlledEngine]


class Router:
    """vLLM's router before engines, which a test may end and start."""

    def __init__(self, data: dict[str, Any], folder: Path) -> None:
        self.port, self._folder, self._up = free_port(), folder, ExitStack()
        program = str(programs(VLLM_ROUTER) / "vllm-router")
        self._argv = [program, *KIND.argv(data, self.port, free_port())]

    def start(self) -> None:
        self._up.enter_context(running(self._argv, self._folder, 0, {}))
        wait_for_port(self.port, 60, self._folder / "log")

    def stop(self) -> None:
        self._up.close()

    def sends_to(self) -> set[int]:
        urls = httpx.get(f"http://127.0.0.1:{self.port}/list_workers").json()["urls"]
        return {int(url.rpartition(":")[2]) for url in urls}


@pytest.fixture(scope="module")
def own(engines: Engines) -> dict[str, Any]:
    """The service as it would be without a router."""
    ports = [engine.port for engine in engines]
    queue = {"length": 200, "wait_s": 30}
    return service("chat", ports, slots=16, sticky=False, queue=queue)


@pytest.fixture(scope="module")
def router(own: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    router = Router(own, tmp_path_factory.mktemp("router"))
    router.start()
    yield router
    router.stop()


@pytest.fixture(scope="module")
def gateway(up: Any, own: dict[str, Any], router: Router) -> LocalGateway:
    entry = {"name": ROUTER, "host": "127.0.0.1", "port": router.port, "slots": 32, "weight": 1}
    behind = {"behind": own["replicas"], "router": KIND.membership._asdict()}
    started: LocalGateway = up(fleet({"chat": {**own, "replicas": [entry], **behind}}), workers=4)
    return started


@pytest.fixture(autouse=True)
def all_in(gateway: LocalGateway, router: Router, engines: Engines) -> Iterator[None]:
    yield
    for name in (FIRST, SECOND):
        put(gateway, name, {"drained": False, "ejected": False})
    wait_until(lambda: router.sends_to() == {engine.port for engine in engines})


def put(gateway: LocalGateway, name: str, body: Any) -> tuple[int, Any]:
    return gateway.ask("PUT", f"/replicas/{name}", body)


def take(gateway: LocalGateway, name: str, owner: str = "me", **more: Any) -> tuple[int, Any]:
    return put(gateway, name, {"turn": {"owner": owner, "for_s": 90, "alone": True, **more}})


def give_back(gateway: LocalGateway, name: str, **more: Any) -> tuple[int, Any]:
    return put(gateway, name, {"turn": None, "owner": "me", **more})


def said(gateway: LocalGateway) -> dict[str, Any]:
    service: dict[str, Any] = gateway.ask("GET", "/state")[1]["services"]["chat"]
    return service


def state(gateway: LocalGateway, name: str) -> str:
    return str(said(gateway)["replicas"][name]["state"])


def post(gateway: LocalGateway, **more: Any) -> httpx.Response:
    messages = [{"role": "user", "content": f"{time.monotonic()} says it"}]
    with httpx.Client(base_url=gateway.url, verify=False, timeout=60) as one:
        return one.post(CHAT, json={"model": "chat", "messages": messages, **more})


class Ended(Counter[Any]):
    """Requests by how they ended; ``of_askers`` counts those of each who asks."""

    def __init__(self, askers: int) -> None:
        super().__init__()
        self.of_askers = [0] * askers


@contextmanager
def load(gateway: LocalGateway) -> Iterator[Ended]:
    """Plain requests and streams all the while; how each ended."""
    ended = Ended(8)
    over = threading.Event()

    def ask(number: int) -> None:
        stream = bool(number % 2)
        while not over.is_set():
            answer = post(gateway, stream=stream)
            whole = not stream or answer.text.endswith("data: [DONE]\n\n")
            ended[answer.status_code, whole] += 1
            ended.of_askers[number] += 1

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask, number) for number in range(8)]
        try:
            yield ended
        finally:
            over.set()
    for one in asking:
        one.result()


def test_a_turn_takes_it_off_the_list_and_its_end_puts_it_on(
    gateway: LocalGateway, router: Router, engines: Engines
) -> None:
    first, second = engines
    status, taken = take(gateway, FIRST)
    assert (status, taken["state"], taken["router"]) == (200, "drained", ROUTER)
    assert router.sends_to() == {second.port}
    assert said(gateway)["replicas"][ROUTER]["slots"] == 16
    status, back = give_back(gateway, FIRST)
    assert (status, back["state"]) == (200, "in")
    assert router.sends_to() == {first.port, second.port}
    assert said(gateway)["replicas"][ROUTER]["slots"] == 32


def test_two_replicas_behind_it_are_never_out_at_once(gateway: LocalGateway) -> None:
    assert take(gateway, FIRST)[0] == 200
    status, refused = take(gateway, SECOND, "you")
    assert status == 409 and refused["error"] == f"me has the turn of {FIRST}"
    assert refused["others"] == {FIRST: "drained"}
    assert take(gateway, FIRST, "you")[0] == 409
    give_back(gateway, FIRST, prove=True)
    wait_until(lambda: take(gateway, SECOND, "you")[0] == 200)


def test_what_it_had_goes_on_to_its_end_and_nothing_new_comes(
    gateway: LocalGateway, engines: Engines
) -> None:
    first, second = engines
    with ThreadPoolExecutor(32) as pool, ExitStack() as stack:
        with held(second):
            stack.enter_context(held(first))
            long = [pool.submit(post, gateway, stream=True) for _ in range(16)]
            wait_until(lambda: first.in_flight > 0 and first.in_flight + second.in_flight == 16)
            take(gateway, FIRST)
            had, before = first.in_flight, len(first.posts())
        new = [pool.submit(post, gateway) for _ in range(16)]
        assert {one.result().status_code for one in new} == {200}
        assert first.in_flight == had > 0 and len(first.posts()) == before
        first.holds = False
        assert {one.result().status_code for one in long} == {200}
        assert all(one.result().text.endswith("data: [DONE]\n\n") for one in long)


def test_each_is_restarted_under_load_and_no_request_is_lost(
    gateway: LocalGateway, engines: Engines
) -> None:
    with load(gateway) as ended:
        restart(gateway, FIRST, engines[0], ended)
        restart(gateway, SECOND, engines[1], ended)
    assert set(ended) == {(200, True)}, ended


def restart(gateway: LocalGateway, name: str, engine: ControlledEngine, ended: Ended) -> None:
    """As a step does it, while the other one answers."""
    wait_until(lambda: take(gateway, name)[0] == 200)
    had = list(ended.of_askers)  # each may be on its way to a replica that was chosen before
    wait_until(lambda: all(now > then for now, then in zip(ended.of_askers, had, strict=True)))
    assert engine.in_flight == 0
    engine.stop()
    count = sum(ended.values())
    wait_until(lambda: sum(ended.values()) > count + 100)
    engine.start()
    assert give_back(gateway, name)[1]["state"] == "in"
    came = len(engine.posts())
    wait_until(lambda: len(engine.posts()) > came + 10)


def test_requests_wait_here_while_none_is_in_and_lose_nothing(
    gateway: LocalGateway, engines: Engines, router: Router
) -> None:
    """The last one stays on the list for what Nginx has sent on its way, and is put on anew."""
    with load(gateway) as ended:
        for name in (FIRST, SECOND):
            assert take(gateway, name, alone=False, hold_s=60)[0] == 200
        wait_until(lambda: said(gateway)["replicas"][SECOND]["in_flight"] == 0)
        assert said(gateway)["replicas"][ROUTER]["in_flight"] == 0
        for engine in engines:
            engine.stop()
        wait_until(lambda: said(gateway)["waiting"] == 8)
        ready = f"http://127.0.0.1:{router.port}{KIND.readiness_path}"
        wait_until(lambda: KIND.readiness(httpx.get(ready).json())[0] == 0, KIND.notices_s + 5)  # type: ignore[index]
        engines[1].start()
        assert give_back(gateway, SECOND)[1]["state"] == "in"
        assert router.sends_to() == {engines[1].port}
        count = sum(ended.values())
        wait_until(lambda: sum(ended.values()) > count + 50)
        engines[0].start()
        assert give_back(gateway, FIRST)[1]["state"] == "in"
    assert set(ended) == {(200, True)}, ended


def test_a_run_that_was_killed_leaves_nothing_off_the_list(
    gateway: LocalGateway, router: Router, engines: Engines
) -> None:
    take(gateway, FIRST, for_s=SHORTEST_S)
    assert router.sends_to() == {engines[1].port}
    # The router hears first, and its workers then.
    wait_until(lambda: state(gateway, FIRST) == "in", SHORTEST_S + 20)
    assert len(router.sends_to()) == 2


def test_a_router_that_starts_anew_hears_who_is_out(
    gateway: LocalGateway, router: Router, engines: Engines
) -> None:
    put(gateway, FIRST, {"drained": True, "why": "a new disk"})
    router.stop()
    assert take(gateway, FIRST)[0] == 200, "a router that does not run sends nobody anything"
    give_back(gateway, FIRST)
    router.start()
    wait_until(lambda: router.sends_to() == {engines[1].port})
    gateway.restart()
    assert state(gateway, FIRST) == "drained"
    assert put(gateway, FIRST, {"drained": False})[1]["state"] == "in"
    assert router.sends_to() == {engine.port for engine in engines}


@pytest.mark.usefixtures("gateway")
def test_whom_nobody_knows_here_goes_from_the_list(router: Router) -> None:
    with ControlledEngine().running() as stranger:
        url = f"http://127.0.0.1:{stranger.port}"
        added = httpx.post(f"http://127.0.0.1:{router.port}/add_worker", params={"url": url})
        assert added.status_code == 200
        wait_until(lambda: bool(stranger.requests))  # as the router asks whom it has on its list
        wait_until(lambda: stranger.port not in router.sends_to())


class Watchdog(BaseHTTPRequestHandler):
    """Of a server whose one replica it has out, or not."""

    state = "well"

    def do_GET(self) -> None:
        """What every watchdog answers."""
        one = {"state": Watchdog.state, "why": "it completes nothing", "since": 0}
        said = {"format": 1, "now": time.time(), "quarantine": None, "replicas": {FIRST: one}}
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


def test_whom_a_watchdog_has_out_the_router_leaves_out(
    gateway: LocalGateway, router: Router, engines: Engines
) -> None:
    routed: Any = gateway.fleet
    with ThreadingHTTPServer(("127.0.0.1", 0), Watchdog) as watchdog:
        threading.Thread(target=watchdog.serve_forever, args=(0.02,), daemon=True).start()
        watched: Any = json.loads(json.dumps(routed))
        at = {"host": "127.0.0.1", "port": watchdog.server_address[1]}
        watched["services"]["chat"]["behind"][0]["watch"] = at
        gateway.fleet = watched
        load_data(gateway)
        Watchdog.state = "out"
        wait_until(lambda: router.sends_to() == {engines[1].port})
        assert said(gateway)["replicas"][FIRST]["why"] == "watchdog: out: it completes nothing"
        Watchdog.state = "well"
        wait_until(lambda: state(gateway, FIRST) == "in")
        assert router.sends_to() == {engine.port for engine in engines}
        gateway.fleet = routed
        load_data(gateway)
        watchdog.shutdown()


def test_without_the_router_it_is_the_gateway_s_again(
    gateway: LocalGateway, own: dict[str, Any]
) -> None:
    """Whatever the router's list was: a replica that was out then is in when it is back."""
    routed = gateway.fleet
    put(gateway, FIRST, {"drained": True})
    gateway.fleet = fleet({"chat": own})
    load_data(gateway)
    assert put(gateway, FIRST, {"drained": False})[1]["state"] == "in"
    assert take(gateway, SECOND)[0] == 200
    assert post(gateway).headers["x-rackwright-replica"] == FIRST
    give_back(gateway, SECOND)
    gateway.fleet = routed
    load_data(gateway)
    assert post(gateway).headers["x-rackwright-replica"] == ROUTER


def load_data(gateway: LocalGateway) -> None:
    gateway.write_data()
    assert gateway.ask("POST", "/load")[0] == 200


def test_a_router_that_hangs_lets_nobody_believe_that_it_heard(
    up: Any, own: dict[str, Any]
) -> None:
    """It may go on sending: who wants to stop the engine is told, and ends the turn."""
    with ControlledEngine().running() as router:
        router.mode = "silent"
        entry = {**own["replicas"][0], "name": ROUTER, "port": router.port}
        behind = {"behind": own["replicas"], "router": KIND.membership._asdict()}
        gateway = up(fleet({"chat": {**own, "replicas": [entry], **behind}}))
        status, answer = take(gateway, FIRST)
        assert (status, answer) == (502, {"error": f"{FIRST}: its router: it answers nothing"})
        assert give_back(gateway, FIRST)[0] == 200
        assert said(gateway)["replicas"][FIRST]["turn"] is None
