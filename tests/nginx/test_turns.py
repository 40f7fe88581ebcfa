"""Turns: one replica of a service out at a time, on a lease; and what requests see meanwhile."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from lab.local_gateway import LocalGateway, wait_until
from tests.samples.controlled_engine import ControlledEngine, held
from tests.samples.gateway_data import fleet, service

CHAT = "/v1/chat/completions"
FIRST, SECOND, ALONE = "chat-a-0", "chat-b-0", "lone-a-0"
SHORTEST_S = 5
"""Of a lease."""
WAIT_S = 1
"""As long as requests wait where no turn holds them."""
BACK_S = 20
"""Within which a replica that completes is back: a round, and its completion."""
Engines = tuple[ControlledEngine, ControlledEngine]


@pytest.fixture(scope="module")
def lone() -> Iterator[ControlledEngine]:
    with ControlledEngine().running() as engine:
        yield engine


@pytest.fixture(scope="module")
def gateway(up: Any, engines: Engines, lone: ControlledEngine) -> LocalGateway:
    queue = {"length": 100, "wait_s": WAIT_S}
    chat = service("chat", [engine.port for engine in engines], slots=64, queue=queue)
    alone = service("lone", [lone.port], slots=4, queue=queue)
    patient = {**queue, "wait_s": 60}
    narrow = service("narrow", [engine.port for engine in engines], slots=1, queue=patient)
    started: LocalGateway = up(fleet({"chat": chat, "lone": alone, "narrow": narrow}), workers=4)
    return started


@pytest.fixture(autouse=True)
def all_in(gateway: LocalGateway, engines: Engines, lone: ControlledEngine) -> Iterator[None]:
    yield
    for engine in (*engines, lone):
        engine.mode = "well"
        engine.stop()
        engine.start()
    for name in replicas(gateway):
        put(gateway, name, {"drained": False, "ejected": False})
    wait_until(lambda: all(one["in_flight"] == 0 for one in replicas(gateway).values()))


def put(gateway: LocalGateway, name: str, body: Any) -> tuple[int, Any]:
    return gateway.ask("PUT", f"/replicas/{name}", body)


def take(gateway: LocalGateway, name: str, owner: str = "me", **more: Any) -> tuple[int, Any]:
    why = {"why": more.pop("why")} if "why" in more else {}
    lease = {"owner": owner, "for_s": 90, "alone": True, **more}
    return put(gateway, name, {"turn": lease, **why})


def give_back(gateway: LocalGateway, name: str, owner: str = "me", **more: Any) -> tuple[int, Any]:
    return put(gateway, name, {"turn": None, "owner": owner, **more})


def replicas(gateway: LocalGateway) -> dict[str, Any]:
    services = gateway.ask("GET", "/state")[1]["services"].values()
    return {name: one for each in services for name, one in each["replicas"].items()}


def state(gateway: LocalGateway, name: str) -> str:
    return str(replicas(gateway)[name]["state"])


def waiting(gateway: LocalGateway, name: str = "lone") -> int:
    return int(gateway.ask("GET", "/state")[1]["services"][name]["waiting"])


def post(gateway: LocalGateway, model: str = "chat", **more: Any) -> httpx.Response:
    with httpx.Client(base_url=gateway.url, verify=False, timeout=60) as one:
        return one.post(CHAT, json={"model": model, **more})


def test_a_turn_drains_and_says_whose_it_is(ask: httpx.Client, gateway: LocalGateway) -> None:
    before = time.time()
    status, taken = take(gateway, FIRST, hold_s=7, for_s=60, why="rollout: draining")
    assert (status, taken["state"], taken["why"]) == (200, "drained", "rollout: draining")
    assert before - 2 < taken["turn"].pop("until") - 60 < time.time() + 2
    assert taken["turn"] == {"owner": "me", "hold_s": 7}
    served = {
        ask.post(CHAT, json={"model": "chat"}).headers["x-rackwright-replica"] for _ in "12345"
    }
    assert served == {SECOND}
    metrics = gateway.ask("GET", "/metrics")[1]
    assert f'replica_turn{{service="chat",replica="{FIRST}"}} 1' in metrics
    assert f'replica_turn{{service="chat",replica="{SECOND}"}} 0' in metrics
    status, back = give_back(gateway, FIRST)
    assert (status, back["state"], back["turn"], back["why"]) == (200, "in", None, "")


def test_the_owner_renews_and_nobody_else(gateway: LocalGateway) -> None:
    first = take(gateway, FIRST, for_s=30)[1]
    status, longer = take(gateway, FIRST, for_s=90)
    assert (status, longer["since"]) == (200, first["since"])
    assert longer["turn"]["until"] >= first["turn"]["until"] + 60
    for refused in (take(gateway, FIRST, "you"), take(gateway, FIRST, "you", alone=False)):
        assert refused[0] == 409 and refused[1]["error"].startswith(f"me has the turn of {FIRST} ")
    assert give_back(gateway, FIRST, "you")[0] == 409
    assert replicas(gateway)[FIRST]["turn"] == longer["turn"]
    assert give_back(gateway, FIRST)[0] == 200
    assert give_back(gateway, FIRST)[0] == 200, "to end what has ended is no fault"


def test_alone_is_one_of_a_service_at_a_time(gateway: LocalGateway) -> None:
    take(gateway, FIRST)
    refused = {"error": f"me has the turn of {FIRST}", "others": {FIRST: "drained"}}
    assert take(gateway, SECOND, "you") == (409, refused)
    assert take(gateway, SECOND, "me") == (409, refused), "nor two of one owner"
    assert take(gateway, ALONE, "you")[0] == 200, "another service is another matter"
    assert take(gateway, SECOND, "you", alone=False)[0] == 200
    assert take(gateway, FIRST, "me")[0] == 200, "what one has, one may renew"


def test_the_last_that_is_in_stays_in(gateway: LocalGateway, engines: Engines) -> None:
    put(gateway, SECOND, {"drained": True})
    status, refused = take(gateway, FIRST)
    assert (status, refused["others"]) == (409, {SECOND: "drained"})
    assert take(gateway, SECOND)[0] == 200, "who is out already may be mended"
    assert take(gateway, FIRST)[0] == 409
    assert take(gateway, FIRST, alone=False)[0] == 200
    assert take(gateway, ALONE)[0] == 200, "with no other there is none to wait for"


OWNERS = 8


def last_bytes_at_once(gateway: LocalGateway, names: Sequence[str]) -> list[int]:
    """Each owner asks for a turn, by a connection that has all but its last byte sent before."""
    with ExitStack() as stack:
        doors = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(OWNERS)]
        for number, door in enumerate(doors):
            lease = {"owner": f"owner {number}", "for_s": 60, "alone": True}
            body = json.dumps({"turn": lease}).encode()
            door.connect(str(gateway.socket_path))
            line = f"PUT /replicas/{names[number % len(names)]} HTTP/1.0"
            head = f"{line}\r\nContent-Length: {len(body)}\r\n\r\n"
            door.sendall(head.encode() + body[:-1])
        for door in doors:
            door.sendall(b"}")
        return [int(door.makefile("rb").readline().split()[1]) for door in doors]


@pytest.mark.parametrize("names", [(FIRST, SECOND), (FIRST,)], ids=["service", "replica"])
def test_of_all_who_ask_at_once_one_gets_it(gateway: LocalGateway, names: Sequence[str]) -> None:
    """By whichever worker: many races for one service, and for one replica."""
    for _ in range(60):
        said = last_bytes_at_once(gateway, names)
        assert Counter(said) == {200: 1, 409: OWNERS - 1}
        winner = said.index(200)
        name = names[winner % len(names)]
        assert give_back(gateway, name, f"owner {winner}")[0] == 200


def test_proven_by_the_gateway_it_is_back_after_a_completion(
    gateway: LocalGateway, engines: Engines
) -> None:
    take(gateway, FIRST)
    engines[0].mode = "stuck"
    back = give_back(gateway, FIRST, prove=True)[1]
    assert (back["state"], back["why"], back["turn"]) == ("ejected", "waits for a completion", None)
    asked = len(engines[0].requests)
    wait_until(lambda: len(engines[0].requests) > asked)
    assert state(gateway, FIRST) == "ejected"
    engines[0].mode = "well"
    engines[0].stop()
    engines[0].start()
    wait_until(lambda: state(gateway, FIRST) == "in", BACK_S)


def test_a_lease_that_runs_out_leaves_nothing_drained(
    gateway: LocalGateway, engines: Engines
) -> None:
    engines[0].stop()
    take(gateway, FIRST, for_s=SHORTEST_S)
    assert take(gateway, SECOND, "you")[0] == 409
    wait_until(lambda: state(gateway, FIRST) == "ejected", SHORTEST_S + 3)
    out = replicas(gateway)[FIRST]
    assert (out["why"], out["turn"]) == ("the turn of me ended without a word", None)
    assert post(gateway).headers["x-rackwright-replica"] == SECOND
    assert take(gateway, SECOND, "you")[0] == 409, "the other one is not back yet"
    engines[0].start()
    wait_until(lambda: state(gateway, FIRST) == "in", BACK_S)
    assert b"canary" in [one for one in engines[0].requests if one.line.startswith("POST")][-1].body
    assert take(gateway, SECOND, "you")[0] == 200


def test_who_asks_after_the_end_finds_it_over(gateway: LocalGateway) -> None:
    """Whether or not a look at the leases has come by since."""
    take(gateway, FIRST, for_s=SHORTEST_S)
    time.sleep(SHORTEST_S - 1)
    wait_until(lambda: take(gateway, FIRST, "you")[0] == 200, 4)
    assert replicas(gateway)[FIRST]["turn"]["owner"] == "you"


def test_by_hand_goes_beside_a_turn_and_undrain_ends_it(gateway: LocalGateway) -> None:
    put(gateway, FIRST, {"drained": True, "why": "by hand"})
    take(gateway, FIRST)
    back = give_back(gateway, FIRST)[1]
    assert (back["state"], back["why"]) == ("drained", "by hand")
    take(gateway, FIRST)
    back = put(gateway, FIRST, {"drained": False})[1]
    assert (back["state"], back["turn"]) == ("in", None)


def test_one_that_was_out_before_is_in_when_its_owner_says_so(
    gateway: LocalGateway, engines: Engines
) -> None:
    engines[0].mode = "stuck"
    take(gateway, FIRST)
    assert give_back(gateway, FIRST, prove=True)[1]["state"] == "ejected"
    assert take(gateway, FIRST)[1]["state"] == "drained"
    engines[0].mode = "well"
    assert give_back(gateway, FIRST)[1]["state"] == "in"


def test_turns_are_kept_over_a_reload_and_a_restart(gateway: LocalGateway) -> None:
    taken = take(gateway, FIRST, hold_s=9)[1]
    lone_one = take(gateway, ALONE, "other", for_s=SHORTEST_S)[1]
    old = gateway.nginx_pids()[1:]
    gateway.reload()
    wait_until(lambda: not set(gateway.nginx_pids()) & set(old))
    assert replicas(gateway)[FIRST]["turn"] == taken["turn"]
    assert take(gateway, SECOND, "you")[0] == 409
    gateway.restart()
    kept = replicas(gateway)
    assert (kept[FIRST]["turn"], kept[FIRST]["why"]) == (taken["turn"], taken["why"])
    assert kept[ALONE]["turn"] in (lone_one["turn"], None), "which may have run out meanwhile"
    assert take(gateway, SECOND, "you")[0] == 409
    assert take(gateway, FIRST)[0] == 200
    wait_until(lambda: state(gateway, ALONE) == "in", SHORTEST_S + BACK_S)


LEASE = {"owner": "me", "for_s": 60}


@pytest.mark.parametrize(
    "body",
    [
        {"turn": LEASE | {"for_s": 4}},
        {"turn": LEASE | {"for_s": 3601}},
        {"turn": LEASE | {"for_s": "60"}},
        {"turn": LEASE | {"for_s": None}},
        {"turn": LEASE | {"for_s": float("nan")}},
        {"turn": LEASE | {"owner": ""}},
        {"turn": LEASE | {"owner": "x" * 101}},
        {"turn": LEASE | {"owner": 7}},
        {"turn": LEASE | {"owner": "two\nlines"}},
        {"turn": LEASE | {"alone": 1}},
        {"turn": LEASE | {"hold_s": -1}},
        {"turn": LEASE | {"hold_s": 3601}},
        {"turn": LEASE | {"hold_s": "long"}},
        {"turn": LEASE, "drained": True},
        {"turn": LEASE, "why": "x" * 201},
        {"turn": True},
        {"turn": "mine"},
        {"turn": []},
        {"turn": {}},
        {"turn": None},
        {"turn": None, "owner": {}},
        {"turn": None, "owner": "me", "prove": "yes"},
    ],
    ids=str,
)
def test_a_malformed_turn_changes_nothing(gateway: LocalGateway, body: Any) -> None:
    before = replicas(gateway)
    status, said = put(gateway, FIRST, body)
    assert status == 400 and said["error"]
    assert replicas(gateway) == before


def test_text_that_is_no_text_changes_nothing(gateway: LocalGateway) -> None:
    """Bytes that are no UTF-8 would make each answer of the state unreadable."""
    connection = httpx.HTTPTransport(uds=str(gateway.socket_path))
    with httpx.Client(transport=connection, base_url="http://localhost") as client:
        body = b'{"turn": {"owner": "\xff\xfe", "for_s": 60}}'
        assert client.put(f"/replicas/{FIRST}", content=body).status_code == 400
    assert replicas(gateway)[FIRST]["turn"] is None


def in_line_when_it_is_taken(
    pool: ThreadPoolExecutor, gateway: LocalGateway, lone: ControlledEngine
) -> list[Future[httpx.Response]]:
    """Four that it has, and eight in line; anew where some had waited too long for the turn."""
    for _ in range(20):
        with held(lone):
            asked = [pool.submit(post, gateway, "lone") for _ in range(4)]
            wait_until(lambda: lone.in_flight == 4)
            line = [pool.submit(post, gateway, "lone") for _ in range(8)]
            wait_for_line(gateway, line)
            take(gateway, ALONE, hold_s=60)
            if waiting(gateway) == 8:
                return [*asked, *line]
            give_back(gateway, ALONE)
        for one in (*asked, *line):
            one.result()
    raise AssertionError("never eight in line at once")


def wait_for_line(gateway: LocalGateway, line: Sequence[Future[httpx.Response]]) -> None:
    """Until all of them wait, or some have waited for too long."""
    wait_until(lambda: waiting(gateway) == len(line) or any(one.done() for one in line))


def test_requests_wait_for_a_replica_that_is_alone(
    gateway: LocalGateway, lone: ControlledEngine
) -> None:
    """Longer than else, for its turn says so: those in line before it, and those that come."""
    with ThreadPoolExecutor(40) as pool:
        before = in_line_when_it_is_taken(pool, gateway, lone)
        wait_until(lambda: replicas(gateway)[ALONE]["in_flight"] == 0)
        during = [pool.submit(post, gateway, "lone", stream=True) for _ in range(20)]
        wait_until(lambda: waiting(gateway) == 28)
        lone.stop()
        time.sleep(2.5 * WAIT_S)  # what nobody waits for as a rule
        lone.start()
        assert waiting(gateway) == 28
        give_back(gateway, ALONE)
        assert {one.result().status_code for one in (*before, *during)} == {200}
    assert all("[DONE]" in one.result().text for one in during)


def test_requests_outlast_a_tool_that_was_killed(
    gateway: LocalGateway, lone: ControlledEngine
) -> None:
    """Its lease runs out, the replica completes a request and is in again: nobody was refused."""
    lone.stop()
    take(gateway, ALONE, hold_s=60, for_s=SHORTEST_S)
    with ThreadPoolExecutor(10) as pool:
        during = [pool.submit(post, gateway, "lone") for _ in range(5)]
        wait_until(lambda: waiting(gateway) == 5)
        wait_until(lambda: state(gateway, ALONE) == "ejected", SHORTEST_S + BACK_S)
        after = [pool.submit(post, gateway, "lone")]
        wait_until(lambda: waiting(gateway) == 6 or after[0].done())
        lone.start()
        statuses = [one.result().status_code for one in (*during, *after)]
    assert statuses[:5] == [200] * 5
    assert statuses[5] in (200, 429), "it came when nothing held requests longer than else"
    wait_until(lambda: state(gateway, ALONE) == "in", BACK_S)


def test_without_a_turn_nobody_waits_longer(gateway: LocalGateway, lone: ControlledEngine) -> None:
    put(gateway, ALONE, {"drained": True})
    refused = post(gateway, "lone")
    assert refused.json()["error"]["code"] == "queue_timeout"
    assert gateway.line_of(refused.headers)["request_s"] < 30, "half of what a turn may hold it"


@contextmanager
def load(gateway: LocalGateway, clients: int) -> Iterator[Counter[int]]:
    """Requests without a pause for as long as the block runs; what became of them."""
    statuses: Counter[int] = Counter()
    stop = threading.Event()

    def ask_on(number: int) -> None:
        with httpx.Client(base_url=gateway.url, verify=False, timeout=30) as one:
            while not stop.is_set():
                body = {"model": "chat", "messages": [number], "delay_s": 0.01}
                statuses[one.post(CHAT, json=body).status_code] += 1

    with ThreadPoolExecutor(clients) as pool:
        going = [pool.submit(ask_on, number) for number in range(clients)]
        try:
            yield statuses
        finally:
            stop.set()
    for one in going:
        one.result()


def restart(
    gateway: LocalGateway, name: str, engine: ControlledEngine, other: ControlledEngine
) -> None:
    """As a rollout does it: the engine ends when the gateway has nothing in flight there."""
    assert take(gateway, name)[0] == 200
    wait_until(lambda: replicas(gateway)[name]["in_flight"] == 0)
    assert engine.in_flight == 0
    seen, served = len(engine.posts()), len(other.posts())
    engine.stop()
    # No engine starts sooner: by then Nginx knows that its idle connections are closed.
    wait_until(lambda: len(other.posts()) > served + 40)
    engine.start()
    assert len(engine.posts()) == seen
    assert give_back(gateway, name)[0] == 200


def test_an_engine_may_stop_when_none_is_in_flight(gateway: LocalGateway, engines: Engines) -> None:
    """Turn after turn under load: nothing is sent to one that was out and had nothing left."""
    first, second = engines
    with load(gateway, 8) as statuses:
        turns = 0
        while turns < 10 or statuses[200] <= 800:  # however long this machine takes for either
            restart(gateway, FIRST, first, second)
            restart(gateway, SECOND, second, first)
            turns += 1
    assert set(statuses) == {200}, statuses


def test_a_body_that_comes_slowly_goes_to_who_is_in_then(gateway: LocalGateway) -> None:
    """Its way is chosen when it is whole, by what the workers know by then."""
    for _ in range(8):
        went = threading.Event()
        begun = threading.Event()

        def pieces(begun: threading.Event = begun, went: threading.Event = went) -> Iterator[bytes]:
            yield b'{"model": "chat", '
            begun.set()
            assert went.wait(20)
            yield b'"messages": []}'

        with (
            ThreadPoolExecutor(1) as pool,
            httpx.Client(base_url=gateway.url, verify=False, timeout=30) as client,
        ):
            headers = {"content-type": "application/json"}
            answer = pool.submit(client.post, CHAT, content=pieces(), headers=headers)
            assert begun.wait(20)
            assert take(gateway, FIRST)[0] == 200
            went.set()
            assert answer.result().headers["x-rackwright-replica"] == SECOND
        assert give_back(gateway, FIRST)[0] == 200


def test_one_that_finds_its_replica_dead_waits_for_the_one_in_turn(
    gateway: LocalGateway, engines: Engines
) -> None:
    """Nothing was sent, and the other will be back: it is no error yet."""
    take(gateway, FIRST, hold_s=60)
    engines[1].stop()
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(post, gateway, "chat", stream=n == 0) for n in range(3)]
        wait_until(lambda: waiting(gateway, "chat") == 3)
        give_back(gateway, FIRST)
        answers = [one.result() for one in asked]
    assert [one.status_code for one in answers] == [200] * 3
    assert {one.headers["x-rackwright-replica"] for one in answers} == {FIRST}
    assert "[DONE]" in answers[0].text


def narrow(engine: ControlledEngine) -> int:
    """Clients' requests for that service which have reached an engine."""
    return len([one for one in engine.posts() if one.json["model"] == "narrow"])


def test_one_that_finds_its_replica_dead_waits_for_the_other_that_is_full(
    gateway: LocalGateway, engines: Engines
) -> None:
    with ThreadPoolExecutor(2) as pool:
        with held(*engines):
            busy = pool.submit(post, gateway, "narrow")
            wait_until(lambda: sum(map(narrow, engines)) == 1)  # the gateway's own are no clients'
            free, other = sorted(engines, key=narrow)
            free.stop()
            asked = pool.submit(post, gateway, "narrow")
            wait_until(lambda: waiting(gateway, "narrow") == 1)
        assert (busy.result().status_code, asked.result().status_code) == (200, 200)
        assert narrow(other) == 2
