"""keys, usage and gateway on the gateway's own Lua: what an operator does, and what clients see."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import httpx
import pytest

from lab.local_gateway import LocalGateway, wait_until
from rackwright.runner import idle
from rackwright.runner.turns_at_gateways import Turn, TurnRefused, TurnWanted
from tests.samples.controlled_engine import ControlledEngine, held
from tests.samples.gateway_data import fleet, service
from tests.samples.gateway_verbs import Door, Verbs, verbs_here

CHAT = "/v1/chat/completions"
BODY = {"model": "chat", "messages": []}
REPLICAS = ("chat-gpu1-0", "chat-gpu2-0")
Engines = tuple[ControlledEngine, ControlledEngine]


@pytest.fixture(scope="module")
def gateway(up: Any, engines: Engines) -> LocalGateway:
    chat = service("chat", [engine.port for engine in engines])
    for replica, name in zip(chat["replicas"], REPLICAS, strict=True):
        replica["name"] = name
    started: LocalGateway = up(fleet({"chat": chat}, keys_required=True))
    return started


@pytest.fixture
def verbs(gateway: LocalGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verbs:
    door = Door(gateway.socket_path, gateway.folder / "keys.json")
    return verbs_here(monkeypatch, tmp_path, {"gw1": door})


@pytest.fixture
def alice(verbs: Verbs) -> Iterator[str]:
    """A new client's key."""
    done = verbs.run("keys", "add", "alice")
    assert done.exit_code == 0, done.output
    yield done.stdout.strip()
    verbs.run("keys", "revoke", "alice")


def post(ask: httpx.Client, key: str, **body: Any) -> httpx.Response:
    return ask.post(CHAT, json={**BODY, **body}, headers={"authorization": f"Bearer {key}"})


def code(answer: httpx.Response) -> str | None:
    return None if answer.status_code == 200 else str(answer.json()["error"]["code"])


def test_a_key_lets_in_from_the_moment_it_is_printed(
    ask: httpx.Client, gateway: LocalGateway, verbs: Verbs, alice: str
) -> None:
    for _ in range(20):  # whichever worker is asked
        assert code(post(ask, alice)) is None
    assert code(post(ask, alice[:-1])) == "invalid_api_key"
    assert stat.S_IMODE(verbs.doors["gw1"].keys.stat().st_mode) == 0o640
    assert re.search(r"alice +\w{8} +never .* gw1$", verbs.run("keys", "list", "--live").stdout)
    for log in (gateway.access_log, gateway.error_log):
        assert alice not in log.read_text()


def test_after_a_rotation_both_let_in_until_the_old_expires(
    ask: httpx.Client, verbs: Verbs, alice: str
) -> None:
    second = verbs.run("keys", "rotate", "alice").stdout.strip()
    assert [code(post(ask, key)) for key in (alice, second)] == [None, None]
    third = verbs.run("keys", "rotate", "alice", "--keep", "0m").stdout.strip()
    answers = [code(post(ask, key)) for key in (alice, second, third)]
    assert answers == ["key_expired", "key_expired", None]


def test_revoked_it_lets_in_no_more_and_a_stream_goes_on_to_its_end(
    ask: httpx.Client, gateway: LocalGateway, verbs: Verbs, alice: str
) -> None:
    bob = verbs.run("keys", "add", "bob").stdout.strip()
    workers = worker_pids(gateway)
    body = {**BODY, "stream": True, "events": 40, "gap_s": 0.05}
    sent = {"authorization": f"Bearer {alice}"}
    with ask.stream("POST", CHAT, json=body, headers=sent) as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("data: ")
        assert verbs.run("keys", "revoke", "alice").exit_code == 0
        assert [code(post(ask, alice)) for _ in range(20)] == ["invalid_api_key"] * 20
        assert code(post(ask, bob)) is None
        told = [line for line in lines if line]
    assert len(told) == 40 and told[-1] == "data: [DONE]"
    assert worker_pids(gateway) == workers, "nothing was reloaded"
    verbs.run("keys", "revoke", "bob")


def worker_pids(gateway: LocalGateway) -> set[str]:
    assert gateway.process
    pid = gateway.process.pid
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def test_limits_of_the_file_are_those_of_the_gateway(ask: httpx.Client, verbs: Verbs) -> None:
    added = verbs.run("keys", "add", "carol", "--models", "chat", "--requests-a-minute", "2")
    key = added.stdout.strip()
    assert [code(post(ask, key)) for _ in range(3)] == [None, None, "rate_limit_exceeded"]
    assert code(post(ask, key, model="other")) == "model_not_found"
    changed = verbs.file.read_text().replace("requests_a_minute: 2", "requests_a_minute: 100")
    verbs.file.write_text(changed)
    assert verbs.run("keys", "apply").exit_code == 0
    assert code(post(ask, key)) is None


def test_usage_is_of_plain_and_streamed_answers(ask: httpx.Client, verbs: Verbs) -> None:
    key = verbs.run("keys", "add", "dora").stdout.strip()
    post(ask, key, usage={"prompt_tokens": 10, "completion_tokens": 2})
    post(ask, key, stream=True, events=5)
    row = ["dora", "chat", "2", "17", "3", "7", "0"]
    wait_until(lambda: usage_of("dora", verbs) == row)  # workers share it every second
    assert verbs.run("usage", "--since", "2999-01-01").stdout == "no usage\n"


def usage_of(name: str, verbs: Verbs) -> list[str]:
    lines = [line.split() for line in verbs.run("usage").stdout.splitlines()]
    return next((line for line in lines if line[0] == name), [])


def test_a_drained_replica_gets_no_request_until_it_is_back(
    ask: httpx.Client, verbs: Verbs, alice: str
) -> None:
    first, second = REPLICAS
    assert verbs.run("gateway", "drain", first, "--why", "a new disk").exit_code == 0
    asked = {post(ask, alice).headers["x-rackwright-replica"] for _ in range(10)}
    assert asked == {second}
    status = verbs.run("gateway", "status").stdout
    assert re.search(rf"gw1 +{first} +drained .* a new disk$", status, re.M)
    assert re.search(r"gw1 +chat +1 of 2 ", status)
    assert verbs.run("gateway", "undrain", first).stdout.startswith(f"gw1: {first} is in, ")
    assert first in {post(ask, alice).headers["x-rackwright-replica"] for _ in range(10)}


def test_a_weight_is_known_and_stays(gateway: LocalGateway, verbs: Verbs) -> None:
    first, _ = REPLICAS
    assert verbs.run("gateway", "weight", first, "0.25").stdout.startswith(
        f"gw1: {first} is in, weight 0.25, "
    )
    assert verbs.run("keys", "apply").exit_code == 0
    state = json.loads(verbs.run("gateway", "status", "--json").stdout)["gateways"]["gw1"]
    assert state["services"]["chat"]["replicas"][first]["weight"] == 0.25
    verbs.run("gateway", "weight", first, "1")


def test_a_server_is_drained_and_waited_for(
    ask: httpx.Client, engines: Engines, verbs: Verbs, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the gateway's own count; what is under way comes to its end."""

    def running(*_: object) -> int:
        """Asked of the engine once the gateway has been asked: it may end what it has."""
        for engine in engines:
            engine.holds = False
        return 0

    monkeypatch.setattr(idle, "_running", running)
    monkeypatch.setattr(idle, "time", Mock(monotonic=lambda: 0.0))
    body = {**BODY, "stream": True, "events": 30}
    sent = {"authorization": f"Bearer {alice}"}
    with held(*engines), ask.stream("POST", CHAT, json=body, headers=sent) as one:
        name = one.headers["x-rackwright-replica"]
        host = name.split("-")[1]
        done = verbs.run("drain", host, "--why", "a new disk", "--wait")
        told = [line for line in one.iter_lines() if line]
    assert done.exit_code == 0, done.output
    assert done.stdout == f"gw1: {name} is drained (a new disk), weight 1, 1 in flight\n"
    assert f"in flight: {name} 1 (0 s)" in done.stderr and "idle after" in done.stderr
    assert len(told) == 31 and told[-1] == "data: [DONE]"
    (other,) = set(REPLICAS) - {name}
    refused = verbs.run("drain", other)
    assert refused.exit_code == 67 and f"({name} is drained)" in refused.stderr
    assert post(ask, alice).headers["x-rackwright-replica"] == other
    assert verbs.run("undrain", host).stdout == f"gw1: {name} is in, weight 1, 0 in flight\n"


def test_turns_are_kept_by_the_gateway_itself(verbs: Verbs) -> None:
    """What the stand-in for its socket does in the tests of turns, its Lua does."""
    first, second = (Turn(None, ("gw1",), TurnWanted(name, f"run of {name}", "drained"))  # type: ignore[arg-type]
                     for name in REPLICAS)  # fmt: skip
    first.take()
    with pytest.raises(TurnRefused) as refused:
        second.take()
    assert f"run of {REPLICAS[0]}" in str(refused.value)
    first.renew()
    assert first.in_flight() == 0 and first.held == ("gw1",)
    refusal = verbs.run("drain", REPLICAS[1])
    assert refusal.exit_code == 67
    refusal = verbs.run("undrain", REPLICAS[0])
    assert refusal.exit_code == 67 and f"in the turn of run of {REPLICAS[0]}" in refusal.stderr
    assert first.give_back() == {}
    second.take()
    assert verbs.run("gateway", "drain", REPLICAS[1]).exit_code == 0
    second.give_back()
    assert re.search(rf"{REPLICAS[1]} +drained", verbs.run("gateway", "status").stdout)
    assert verbs.run("undrain", REPLICAS[1]).exit_code == 0
