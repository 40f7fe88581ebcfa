"""Which replica takes a request: counts, weights, the start of a prompt, and who is out."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from lab.local_gateway import LocalGateway, wait_until
from tests.samples.controlled_engine import ControlledEngine, held
from tests.samples.gateway_data import fleet, service

CHAT = "/v1/chat/completions"
SLOTS = 8
ROUND_S = 2
"""The gateway looks at each replica as often."""
QUIET_S = 3
"""And asks one that has work, and says nothing for as long, for a completion of its own."""
OUT_S = 10
"""Within which a replica is out that refuses, errs or is silent, on a machine that is not busy."""
LIMIT_S = 60
"""For what comes in the end, however busy the machine."""


@pytest.fixture(scope="module")
def three() -> Iterator[list[ControlledEngine]]:
    with ExitStack() as up:
        yield [up.enter_context(ControlledEngine().running()) for _ in range(3)]


@pytest.fixture(scope="module")
def gateway(up: Any, three: list[ControlledEngine]) -> LocalGateway:
    ports = [one.port for one in three]
    started: LocalGateway = up(fleet({"chat": service("chat", ports, slots=SLOTS)}))
    return started


@pytest.fixture(autouse=True)
def as_at_first(gateway: LocalGateway, three: list[ControlledEngine]) -> Iterator[None]:
    yield
    for engine in three:
        engine.mode = "well"
        engine.stop()
        engine.start()
    for name in replicas(gateway):
        gateway.ask(
            "PUT", f"/replicas/{name}", {"drained": False, "ejected": False, "weight": None}
        )
    wait_until(lambda: all(one["in_flight"] == 0 for one in replicas(gateway).values()))


def replicas(gateway: LocalGateway) -> dict[str, Any]:
    found: dict[str, Any] = gateway.ask("GET", "/state")[1]["services"]["chat"]["replicas"]
    return found


@contextmanager
def posting(ask: httpx.Client, most: int) -> Iterator[Callable[[dict[str, Any]], Any]]:
    """Sends bodies, each by a connection of its own, and goes on; so many may be on their way."""
    limits = httpx.Limits(max_connections=None)
    one = httpx.Client(base_url=ask.base_url, verify=False, limits=limits, timeout=30)
    with one as client, ThreadPoolExecutor(most) as pool:
        yield lambda body: pool.submit(client.post, CHAT, json={"model": "chat", **body})


@contextmanager
def many(ask: httpx.Client, bodies: list[dict[str, Any]]) -> Iterator[list[Any]]:
    """So many at once: the block runs while they are on their way."""
    with posting(ask, len(bodies)) as post:
        yield [post(body) for body in bodies]


@contextmanager
def in_flight_at_once(
    ask: httpx.Client, three: list[ControlledEngine], bodies: list[dict[str, Any]]
) -> Iterator[list[Any]]:
    """As many of them as all may take are with an engine, and none is answered in the block.

    They come one after another: of two at once each may take the place that it saw free.
    """
    answers: list[Any] = []

    def are_there() -> bool:
        return sum(one.in_flight for one in three) == min(len(answers), len(three) * SLOTS)

    with posting(ask, len(bodies)) as post, held(*three):
        for body in bodies:
            answers.append(post(body))
            wait_until(are_there)
        yield answers


def by_replica(answers: list[Any]) -> Counter[str]:
    return Counter(one.result().headers["x-rackwright-replica"] for one in answers)


def test_what_is_in_flight_is_spread(
    ask: httpx.Client, gateway: LocalGateway, three: list[ControlledEngine]
) -> None:
    with in_flight_at_once(ask, three, [{"messages": [n]} for n in range(12)]) as answers:
        assert [one["in_flight"] for one in replicas(gateway).values()] == [4, 4, 4]
    assert [one.result().status_code for one in answers] == [200] * 12


def test_a_weight_is_a_share(
    ask: httpx.Client, gateway: LocalGateway, three: list[ControlledEngine]
) -> None:
    for name, weight in {"chat-a-0": 1.0, "chat-b-0": 0.5, "chat-c-0": 0.5}.items():
        assert gateway.ask("PUT", f"/replicas/{name}", {"weight": weight})[1]["weight"] == weight
    with in_flight_at_once(ask, three, [{"messages": [n]} for n in range(12)]) as answers:
        pass
    assert by_replica(answers) == {"chat-a-0": 6, "chat-b-0": 3, "chat-c-0": 3}


LONG = "a document that many ask about " * 200


def test_a_prompt_that_starts_alike_goes_where_it_was(ask: httpx.Client) -> None:
    names = {
        ask.post(CHAT, json={"model": "chat", "messages": [LONG, n]}).headers[
            "x-rackwright-replica"
        ]
        for n in range(10)
    }
    others = {
        ask.post(CHAT, json={"model": "chat", "messages": [f"{n}{LONG}"]}).headers[
            "x-rackwright-replica"
        ]
        for n in range(12)
    }
    assert (len(names), len(names | others)) == (1, 3)


def test_a_session_goes_where_it_was(ask: httpx.Client) -> None:
    for headers, key in (({"x-session-id": "s1"}, None), ({}, "s2")):
        body = {
            "model": "chat",
            "messages": ["short"],
            **({"prompt_cache_key": key} if key else {}),
        }
        assert (
            len(
                {
                    ask.post(CHAT, json=body, headers=headers).headers["x-rackwright-replica"]
                    for _ in range(9)
                }
            )
            == 1
        )


def test_no_replica_is_a_hot_spot_for_a_prompt(
    ask: httpx.Client, three: list[ControlledEngine]
) -> None:
    bodies = [{"messages": [LONG, "hot", n]} for n in range(18)]
    with in_flight_at_once(ask, three, bodies) as answers:
        pass
    counts = by_replica(answers)
    assert sum(counts.values()) == 18
    assert max(counts.values()) <= SLOTS  # 1.25 times the mean of 6, in whole requests


def test_none_takes_more_than_it_can(ask: httpx.Client, three: list[ControlledEngine]) -> None:
    """More than all slots at once: the rest is told so, for nobody may wait here."""
    for engine in three:
        engine.most_in_flight = 0
    bodies = [{"messages": [n]} for n in range(3 * SLOTS + 6)]
    with in_flight_at_once(ask, three, bodies) as answers:
        wait_until(lambda: sum(one.done() for one in answers) == 6)
    statuses = Counter(one.result().status_code for one in answers)
    assert statuses == {200: 3 * SLOTS, 429: 6}
    assert [engine.most_in_flight for engine in three] == [SLOTS] * 3


def test_a_drained_one_finishes_what_it_has(
    ask: httpx.Client, gateway: LocalGateway, three: list[ControlledEngine]
) -> None:
    with in_flight_at_once(ask, three, [{"messages": [n]} for n in range(3)]) as before:
        assert [one["in_flight"] for one in replicas(gateway).values()] == [1, 1, 1]
        gateway.ask("PUT", "/replicas/chat-a-0", {"drained": True, "why": "an upgrade"})
        with many(ask, [{"messages": [n], "passes": True} for n in range(8)]) as after:
            pass
    assert [one.result().status_code for one in before] == [200] * 3
    assert by_replica(after)["chat-a-0"] == 0
    assert (replicas(gateway)["chat-a-0"]["state"], replicas(gateway)["chat-a-0"]["why"]) == (
        "drained",
        "an upgrade",
    )


def test_one_that_was_out_is_not_next_until_it_has_caught_up(
    ask: httpx.Client, gateway: LocalGateway
) -> None:
    def asked(times: int) -> set[str]:
        answers = [ask.post(CHAT, json={"model": "chat", "messages": [n]}) for n in range(times)]
        assert {one.status_code for one in answers} == {200}
        return {one.headers["x-rackwright-replica"] for one in answers}

    missed, since, started = 400, 0, time.monotonic()
    gateway.ask("PUT", "/replicas/chat-a-0", {"drained": True})
    assert asked(missed) == {"chat-b-0", "chat-c-0"}
    while time.monotonic() - started < OUT_S / 3:  # the workers tell one another each second
        asked(1)
        time.sleep(0.1)
    gateway.ask("PUT", "/replicas/chat-a-0", {"drained": False})
    while len(asked(12)) < 3:
        since += 12
        assert since < missed / 4


def is_out(gateway: LocalGateway, name: str) -> bool:
    return bool(replicas(gateway)[name]["state"] == "ejected")


@pytest.mark.parametrize("how", ["refuses", "errs", "is silent", "hangs at work"])
def test_one_that_is_dead_is_out_and_comes_back(
    ask: httpx.Client, gateway: LocalGateway, three: list[ControlledEngine], how: str
) -> None:
    dead = three[0]
    with many(ask, [{"messages": [n], "delay_s": 0.1} for n in range(6)]):
        pass
    started = time.monotonic()
    patience_s = 30 if how in ("refuses", "errs") else 1  # the others would keep all who ask
    if how == "refuses":
        dead.stop()
    elif how == "errs":
        dead.mode = "errors"
    else:
        dead.mode = "silent" if how == "is silent" else "stuck"
    codes: Counter[int] = Counter()
    with ThreadPoolExecutor(4) as pool:
        while not is_out(gateway, "chat-a-0"):
            assert time.monotonic() - started < LIMIT_S, codes
            asked = [pool.submit(_post, gateway, n, patience_s) for n in range(4)]
            codes.update(one.result() for one in asked)
    after = [ask.post(CHAT, json={"model": "chat", "messages": [n]}) for n in range(12)]
    assert [one.status_code for one in after] == [200] * 12
    if how == "refuses":
        assert set(codes) == {200}  # nothing had been sent to it
        dead.start()
    dead.mode = "well"
    wait_until(lambda: not is_out(gateway, "chat-a-0"), LIMIT_S)
    assert b"canary" in [one for one in dead.requests if one.line.startswith("POST")][-1].body


def _post(gateway: LocalGateway, n: int, patience_s: float) -> int:
    """The status, or 0 of one that did not answer by then."""
    try:
        with httpx.Client(base_url=gateway.url, verify=False, timeout=patience_s) as one:
            return one.post(CHAT, json={"model": "chat", "messages": [n]}).status_code
    except httpx.TimeoutException:
        return 0


def test_requests_that_an_engine_cannot_take_put_none_out(
    ask: httpx.Client, gateway: LocalGateway, three: list[ControlledEngine]
) -> None:
    """Their errors are the requests' own: each replica is asked once more before it is out."""
    poison = {"model": "chat", "messages": [LONG], "status": 500}
    before = {one.port: len(one.requests) for one in three}

    def asked_once_more() -> bool:
        came = [request for one in three for request in one.requests[before[one.port] :]]
        return any(b"canary" in request.body for request in came)

    assert {ask.post(CHAT, json=poison).status_code for _ in range(12)} == {500}
    wait_until(asked_once_more)
    assert {one["state"] for one in replicas(gateway).values()} == {"in"}


def test_slow_is_not_dead(ask: httpx.Client, gateway: LocalGateway) -> None:
    """A replica that thinks for longer than a dead one would be given, while others answer."""
    with many(ask, [{"messages": ["slow"], "delay_s": OUT_S + 1}]) as slow:
        until = time.monotonic() + OUT_S
        while time.monotonic() < until:
            assert ask.post(CHAT, json={"model": "chat", "messages": ["x"]}).status_code == 200
            assert not [name for name in replicas(gateway) if is_out(gateway, name)]
            time.sleep(0.2)
    assert slow[0].result().status_code == 200


def test_one_that_was_idle_is_not_silent_with_its_first_request(
    ask: httpx.Client, gateway: LocalGateway, three: list[ControlledEngine]
) -> None:
    """Another was heard of just now, and it was not for long: but nobody had asked it."""

    def asked(name: str, **how: Any) -> float:
        answer = ask.post(CHAT, json={"model": "chat", "messages": ["x"], **how})
        assert (answer.status_code, answer.headers["x-rackwright-replica"]) == (200, name)
        return float(gateway.line_of(answer.headers)["request_s"])

    def drained(*names: str) -> None:
        for name in replicas(gateway):
            gateway.ask("PUT", f"/replicas/{name}", {"drained": name in names})

    def was_not_tried() -> bool:
        """False also where the machine stood still, and it was silent for as long as that takes."""
        drained("chat-a-0", "chat-c-0")
        asked("chat-b-0")
        drained("chat-b-0", "chat-c-0")
        until = time.monotonic() + 2 * ROUND_S
        while time.monotonic() < until:
            asked("chat-a-0")
            time.sleep(0.2)
        drained("chat-a-0", "chat-c-0")
        before = len(three[1].requests)
        took_s = asked("chat-b-0", delay_s=ROUND_S + 0.1)  # so it is looked at meanwhile
        of_own = [one for one in three[1].requests[before:] if b"canary" in one.body]
        assert not of_own or took_s > QUIET_S
        return not of_own

    wait_until(was_not_tried, LIMIT_S)


def test_a_request_that_was_sent_is_not_sent_again(
    ask: httpx.Client, three: list[ControlledEngine]
) -> None:
    before = sum(len(one.posts()) for one in three)
    answer = ask.post(CHAT, json={"model": "chat", "messages": [], "die": True})
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "replica_lost")
    assert answer.headers["x-should-retry"] == "false"
    assert sum(len(one.posts()) for one in three) == before + 1


def test_hanging_up_reaches_the_engine(
    ask: httpx.Client, gateway: LocalGateway, three: list[ControlledEngine]
) -> None:
    said = {"model": "chat", "messages": ["bye"], "stream": True, "events": 500, "gap_s": 0.02}
    with ask.stream("POST", CHAT, json=said) as going:
        next(going.iter_lines())
    came = [one for engine in three for one in engine.posts() if one.json["messages"] == ["bye"]]
    wait_until(lambda: came[0].hung_up)
    wait_until(lambda: all(one["in_flight"] == 0 for one in replicas(gateway).values()))


def test_what_a_killed_worker_held_is_given_back(
    ask: httpx.Client, gateway: LocalGateway, three: list[ControlledEngine]
) -> None:
    with in_flight_at_once(ask, three, [{"messages": [n]} for n in range(6)]) as lost:
        assert sum(one["in_flight"] for one in replicas(gateway).values()) == 6
        for pid in gateway.nginx_pids()[1:]:
            os.kill(pid, signal.SIGKILL)
        for one in lost:
            assert isinstance(one.exception(), httpx.HTTPError)
    wait_until(lambda: sum(one["in_flight"] for one in replicas(gateway).values()) == 0, 30)
    assert ask.post(CHAT, json={"model": "chat"}).status_code == 200


def test_state_is_kept_over_a_reload(
    ask: httpx.Client, gateway: LocalGateway, three: list[ControlledEngine]
) -> None:
    gateway.ask("PUT", "/replicas/chat-b-0", {"drained": True, "why": "kept", "weight": 0.25})
    old = gateway.nginx_pids()[1:]
    with in_flight_at_once(ask, three, [{"messages": [n]} for n in range(4)]) as over:
        assert sum(one["in_flight"] for one in replicas(gateway).values()) == 4
        gateway.reload()
        wait_until(
            lambda: (
                not set(gateway.nginx_pids()) & set(old) or len(gateway.nginx_pids()) > len(old) + 1
            )
        )
        assert sum(one["in_flight"] for one in replicas(gateway).values()) == 4
    assert [one.result().status_code for one in over] == [200] * 4
    wait_until(lambda: sum(one["in_flight"] for one in replicas(gateway).values()) == 0)
    kept = replicas(gateway)["chat-b-0"]
    assert (kept["state"], kept["why"], kept["weight"]) == ("drained", "kept", 0.25)


def test_state_and_usage_are_kept_over_a_restart(
    up: Any, three: list[ControlledEngine], tmp_path: Path
) -> None:
    gateway = up(fleet({"chat": service("chat", [one.port for one in three])}))
    with httpx.Client(base_url=gateway.url, verify=False) as ask:
        assert ask.post(CHAT, json={"model": "chat"}).status_code == 200
    gateway.ask("PUT", "/replicas/chat-c-0", {"drained": True, "why": "kept"})
    names = ("requests", "prompt_tokens", "completion_tokens")
    wait_until(lambda: [[row[name] for name in names] for row in usage(gateway)] == [[1, 10, 2]])
    used = usage(gateway)
    gateway.restart()
    assert replicas(gateway)["chat-c-0"]["state"] == "drained"
    assert usage(gateway) == used


def usage(gateway: LocalGateway) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = gateway.ask("GET", "/usage")[1]
    return rows


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/replicas/nobody", {"drained": True}, 404),
        ("/replicas/chat-a-0", [], 400),
        ("/replicas/chat-a-0", {"drained": "yes"}, 400),
        ("/replicas/chat-a-0", {"weight": -1}, 400),
        ("/replicas/chat-a-0", {"ejected": True}, 400),
        ("/nothing", {}, 404),
    ],
)
def test_the_socket_refuses_what_it_does_not_know(
    gateway: LocalGateway, path: str, body: Any, expected: int
) -> None:
    before = replicas(gateway)
    assert gateway.ask("PUT", path, body)[0] == expected
    assert replicas(gateway) == before
