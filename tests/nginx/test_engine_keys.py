"""The engines' key is changed: one replica has the old one, the next the new one already."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from lab.local_gateway import LocalGateway, wait_until
from rackwright.remote.served.key_id import key_id
from tests.samples.controlled_engine import ControlledEngine
from tests.samples.gateway_data import fleet, service

CHAT = "/v1/chat/completions"
OLD, NEW = "of-last-year", "of-this-year"
BOTH = {"engine": OLD, "engine_keys": {key_id(OLD): OLD, key_id(NEW): NEW}}
FIRST, SECOND = "chat-a-0", "chat-b-0"
BACK_S = 20
Engines = tuple[ControlledEngine, ControlledEngine]


@pytest.fixture
def keyed(engines: Engines) -> Iterator[Engines]:
    engines[0].key, engines[1].key = OLD, NEW
    yield engines
    for engine in engines:
        engine.key, engine.mode = "", "well"
        if engine._server is None:
            engine.start()


def chat(engines: Engines, *ids: str | None, **more: Any) -> dict[str, Any]:
    """A service of which each replica has the key of this id; None is an entry without."""
    data = service("chat", [engine.port for engine in engines], sticky=False, **more)
    for replica, one in zip(data["replicas"], ids, strict=True):
        replica |= {} if one is None else {"key": one}
    return fleet({"chat": data})


def answers(gateway: LocalGateway, number: int = 12) -> dict[str, set[int]]:
    """What requests got, by replicas."""
    found: dict[str, set[int]] = {}
    with httpx.Client(base_url=gateway.url, verify=False, timeout=60) as ask:
        for _ in range(number):
            answer = ask.post(CHAT, json={"model": "chat"})
            name = answer.headers["x-rackwright-replica"]
            found.setdefault(name, set()).add(answer.status_code)
    return found


def states(gateway: LocalGateway) -> dict[str, str]:
    replicas = gateway.ask("GET", "/state")[1]["services"]["chat"]["replicas"]
    return {name: one["state"] for name, one in replicas.items()}


@pytest.mark.parametrize("old", [None, key_id(OLD), "0123456789ab"])
def test_each_replica_is_sent_the_key_that_it_has(up: Any, keyed: Engines, old: str | None) -> None:
    """Without one, or with one that nobody knows, it is the gateway's own as ever."""
    gateway = up(chat(keyed, old, key_id(NEW)), secrets=BOTH)
    assert answers(gateway) == {FIRST: {200}, SECOND: {200}}


def test_a_replica_that_was_changed_is_told_of_by_its_entry_alone(up: Any, keyed: Engines) -> None:
    gateway = up(chat(keyed, key_id(OLD), key_id(OLD)), secrets=BOTH)
    assert answers(gateway)[SECOND] == {503}
    gateway.fleet = chat(keyed, key_id(OLD), key_id(NEW))
    gateway.write_data()
    assert gateway.ask("POST", "/load")[0] == 200
    wait_until(lambda: set(states(gateway).values()) == {"in"}, BACK_S)
    assert answers(gateway) == {FIRST: {200}, SECOND: {200}}


def test_one_that_takes_another_key_is_out_until_it_takes_this_one(up: Any, keyed: Engines) -> None:
    gateway = up(chat(keyed, None, None), secrets={"engine": OLD})
    assert answers(gateway, 4)[SECOND] == {503}
    wait_until(lambda: states(gateway)[SECOND] == "ejected")
    assert answers(gateway) == {FIRST: {200}}
    replicas = gateway.ask("GET", "/state")[1]["services"]["chat"]["replicas"]
    assert replicas[SECOND]["why"] == "it takes another key"
    keyed[1].key = OLD
    wait_until(lambda: set(states(gateway).values()) == {"in"}, BACK_S)
    assert answers(gateway) == {FIRST: {200}, SECOND: {200}}


@pytest.mark.parametrize("path", [CHAT, "/v1/messages"])
def test_a_client_is_not_told_that_its_own_key_is_wrong(up: Any, keyed: Engines, path: str) -> None:
    """A client's library gives up at a 401, and sends again what ends so. The last one stays in."""
    gateway = up(chat(keyed, None, None), secrets={"engine": NEW})
    gateway.ask("PUT", f"/replicas/{SECOND}", {"drained": True})
    with httpx.Client(base_url=gateway.url, verify=False, timeout=60) as ask:
        for _ in range(3):
            answer = ask.post(path, json={"model": "chat", "max_tokens": 4, "messages": []})
            assert answer.status_code == 503, answer.text
            assert answer.headers["x-rackwright-replica"] == FIRST
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["retry-after"] and "x-should-retry" not in answer.headers
            assert "www-authenticate" not in answer.headers
            error = answer.json()["error"]
            assert "did not take the gateway's key" in error["message"]
            assert path != CHAT or error["code"] == "replica_refused"


@pytest.mark.parametrize("number", [0, 1])
def test_one_that_is_out_comes_back_by_its_own_key(up: Any, keyed: Engines, number: int) -> None:
    gateway, name = up(chat(keyed, None, key_id(NEW)), secrets=BOTH), (FIRST, SECOND)[number]
    turn = {"owner": "me", "for_s": 60}
    assert gateway.ask("PUT", f"/replicas/{name}", {"turn": turn})[0] == 200
    before = len(keyed[number].requests)
    given = {"turn": None, "owner": "me", "prove": True}
    assert gateway.ask("PUT", f"/replicas/{name}", given)[0] == 200
    wait_until(lambda: set(states(gateway).values()) == {"in"}, BACK_S)
    # Looks at its health come from gateways of earlier tests too, with keys of theirs.
    came = [one for one in keyed[number].requests[before:] if b"canary" in one.body]
    assert came[-1].headers["authorization"] == f"Bearer {(OLD, NEW)[number]}"


@pytest.mark.parametrize("number", [0, 1])
def test_a_request_goes_on_to_a_replica_with_the_other_key(
    up: Any, keyed: Engines, number: int
) -> None:
    gateway = up(chat(keyed, None, key_id(NEW)), secrets=BOTH)
    keyed[number].stop()
    assert answers(gateway) == {(SECOND, FIRST)[number]: {200}}


def test_a_reload_takes_keys_up_and_says_so_without_showing_them(up: Any, keyed: Engines) -> None:
    gateway = up(chat(keyed, None, key_id(NEW)), secrets={"engine": OLD})
    assert gateway.ask("GET", "/state")[1]["loaded"]["engine_keys"] == ""
    gateway.secrets = BOTH
    gateway.write_data()
    reloaded(gateway)
    known = " ".join(sorted(map(key_id, (OLD, NEW))))
    wait_until(lambda: gateway.ask("GET", "/state")[1]["loaded"]["engine_keys"] == known, BACK_S)
    assert answers(gateway) == {FIRST: {200}, SECOND: {200}}
    said = str(gateway.ask("GET", "/state")) + gateway.error_log.read_text()
    assert OLD not in said and NEW not in said
    gateway.fleet, gateway.secrets = chat(keyed, key_id(NEW), key_id(NEW)), {"engine": NEW}
    keyed[0].key = NEW
    gateway.write_data()
    reloaded(gateway)
    wait_until(lambda: gateway.ask("GET", "/state")[1]["loaded"]["engine_keys"] == "", BACK_S)
    assert answers(gateway) == {FIRST: {200}, SECOND: {200}}


def reloaded(gateway: LocalGateway) -> None:
    """With none left of the workers of before, which end connections that idle."""
    old = set(gateway.nginx_pids()[1:])
    os.kill(int((gateway.folder / "nginx.pid").read_text()), signal.SIGHUP)
    wait_until(lambda: not old & set(gateway.nginx_pids()))


def test_who_waited_since_before_the_new_key_is_sent_on_with_it(up: Any, keyed: Engines) -> None:
    """In line in a worker of before the reload: it takes the new key up too."""
    queue = {"length": 20, "wait_s": 60}
    gateway = up(chat(keyed, None, None, queue=queue), secrets={"engine": OLD})
    for name in (FIRST, SECOND):
        gateway.ask("PUT", f"/replicas/{name}", {"drained": True})
    before = set(gateway.nginx_pids()[1:])
    with ThreadPoolExecutor(6) as pool:
        asking = [pool.submit(answers, gateway, 1) for _ in range(6)]
        wait_until(lambda: waiting(gateway) == 6)
        gateway.secrets = BOTH
        gateway.write_data()
        gateway.reload()
        wait_until(lambda: bool(set(gateway.nginx_pids()[1:]) - before), BACK_S)
        wait_until(lambda: bool(gateway.ask("GET", "/state")[1]["loaded"]["engine_keys"]), BACK_S)
        gateway.fleet = chat(keyed, None, key_id(NEW), queue=queue)
        gateway.write_data()
        assert gateway.ask("POST", "/load")[0] == 200
        assert before & set(gateway.nginx_pids()) and waiting(gateway) == 6
        gateway.ask("PUT", f"/replicas/{SECOND}", {"drained": False})
        assert [one.result() for one in asking] == [{SECOND: {200}}] * 6


def waiting(gateway: LocalGateway) -> int:
    return int(gateway.ask("GET", "/state")[1]["services"]["chat"]["waiting"])
