"""Who may come in, how much of it, and what is known of it afterwards."""

from __future__ import annotations

import concurrent.futures
import time
from typing import Any

import httpx
import pytest

from lab.local_gateway import LocalGateway, wait_until
from tests.samples.controlled_engine import ControlledEngine, held
from tests.samples.gateway_data import fleet, key, service

CHAT = "/v1/chat/completions"
PLAIN = {"model": "chat", "messages": []}
ENGINE_KEY = "the-engines-own"
Engines = tuple[ControlledEngine, ControlledEngine]


@pytest.fixture(scope="module")
def gateway(up: Any, engines: Engines) -> LocalGateway:
    first, second = engines
    services = {"chat": service("chat", [first.port]), "other": service("other", [second.port])}
    keys = [
        key("rw-alice", "alice"),
        key("rw-alice-2", "alice"),
        key("rw-old", "alice", expires_at=int(time.time()) - 1),
        key("rw-chat", "only-chat", models=["chat"]),
        key("rw-rate", "rate", requests_a_minute=3),
        key("rw-tokens", "tokens", tokens_a_minute=20),
        key("rw-flight", "flight", in_flight=1),
        key("rw-month", "month", tokens_a_month=12),
        key("rw-stream", "streams"),
    ]
    started: LocalGateway = up(
        fleet(services, keys_required=True),
        keys={"format": 1, "keys": keys},
        secrets={"engine": ENGINE_KEY},
    )
    return started


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def post(ask: httpx.Client, secret: str, **body: Any) -> httpx.Response:
    return ask.post(CHAT, json={**PLAIN, **body}, headers=bearer(secret))


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize("name", ["authorization", "x-api-key"])
def test_a_key_lets_in_and_the_engine_gets_its_own(
    ask: httpx.Client, engines: Engines, name: str
) -> None:
    sent = {name: "Bearer rw-alice" if name == "authorization" else "rw-alice"}
    assert ask.post(CHAT, json=PLAIN, headers=sent).status_code == 200
    got = engines[0].posts()[-1].headers
    assert got["authorization"] == f"Bearer {ENGINE_KEY}"
    assert "rw-alice" not in str(got)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "invalid_api_key"),
        (bearer("rw-nobody"), "invalid_api_key"),
        (bearer(ENGINE_KEY), "invalid_api_key"),
        (bearer("rw-alice x"), "invalid_api_key"),
        ({"authorization": "Basic rw-alice"}, "invalid_api_key"),
        (bearer("x" * 5000), "invalid_api_key"),
        (bearer("rw-old"), "key_expired"),
    ],
)
def test_without_a_key_that_holds_nobody_comes_in(
    ask: httpx.Client, engines: Engines, headers: dict[str, str], expected: str
) -> None:
    before = len(engines[0].posts())
    for answer in (
        ask.post(CHAT, json=PLAIN, headers=headers),
        ask.get("/v1/models", headers=headers),
    ):
        assert code(answer) == (401, expected)
    assert len(engines[0].posts()) == before


def test_where_everybody_may_ask_the_engine_gets_its_own_key_too(up: Any, engines: Engines) -> None:
    open_to_all = up(
        fleet({"chat": service("chat", [engines[0].port])}), secrets={"engine": ENGINE_KEY}
    )
    with httpx.Client(base_url=open_to_all.url, verify=False) as ask:
        assert ask.post(CHAT, json=PLAIN, headers=bearer("anything")).status_code == 200
    assert engines[0].posts()[-1].headers["authorization"] == f"Bearer {ENGINE_KEY}"


def test_a_key_is_for_its_models(ask: httpx.Client) -> None:
    assert post(ask, "rw-chat").status_code == 200
    assert code(post(ask, "rw-chat", model="other")) == (403, "model_not_allowed")
    listed = ask.get("/v1/models", headers=bearer("rw-chat")).json()["data"]
    assert [one["id"] for one in listed] == ["chat"]


def test_requests_of_a_minute(ask: httpx.Client) -> None:
    answers = [post(ask, "rw-rate") for _ in range(5)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
    assert code(answers[-1]) == (429, "rate_limit_exceeded")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


def test_tokens_of_a_minute_and_a_month(ask: httpx.Client) -> None:
    """Each answer has 12 tokens: the next request is refused once the limit is reached."""
    assert [post(ask, "rw-tokens").status_code for _ in range(3)] == [200, 200, 429]
    assert code(post(ask, "rw-tokens")) == (429, "tokens_limit_exceeded")
    assert post(ask, "rw-month").status_code == 200
    assert code(post(ask, "rw-month")) == (429, "budget_exceeded")


def test_requests_in_flight(ask: httpx.Client, gateway: LocalGateway, engines: Engines) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with held(engines[0]):
            slow = pool.submit(post, ask, "rw-flight")
            wait_until(
                lambda: gateway.ask("GET", "/state")[1]["clients"]["flight"]["in_flight"] == 1
            )
            assert code(post(ask, "rw-flight")) == (429, "in_flight_limit_exceeded")
        assert slow.result().status_code == 200
    wait_until(lambda: gateway.ask("GET", "/state")[1]["clients"]["flight"]["in_flight"] == 0)
    assert post(ask, "rw-flight").status_code == 200


FIELDS = ("requests", "prompt_tokens", "completion_tokens", "cached_tokens")


def used(gateway: LocalGateway, client: str) -> tuple[int, ...]:
    """FIELDS of a client's use of chat; workers share them once a second."""
    rows = gateway.ask("GET", "/usage")[1]
    mine = [row for row in rows if (row["client"], row["model"]) == (client, "chat")]
    return tuple(sum(row[name] for row in mine) for name in FIELDS)  # one a day


def test_a_stream_is_counted_and_goes_through_as_it_is(
    ask: httpx.Client, gateway: LocalGateway
) -> None:
    asked: tuple[Any, ...] = (None, {}, {"include_usage": True})
    texts = [post(ask, "rw-stream", stream=True, stream_options=one).text for one in asked]
    assert ['"usage"' in text for text in texts] == [False, False, True]
    assert [text.count("data: ") for text in texts] == [6, 6, 7]
    assert all(text.endswith("data: [DONE]\n\n") for text in texts)
    wait_until(lambda: used(gateway, "streams") == (3, 21, 15, 9))


@pytest.mark.parametrize(("asked", "events"), [(None, 1), ({"include_usage": True}, 2)])
def test_a_stream_that_says_its_length_is_whole(
    ask: httpx.Client, asked: dict[str, bool] | None, events: int
) -> None:
    answer = post(ask, "rw-alice", stream=True, sized=True, stream_options=asked)
    assert answer.text.count("data: ") == events
    assert answer.text.endswith("data: [DONE]\n\n")


def test_keys_come_and_go_without_a_reload(ask: httpx.Client, gateway: LocalGateway) -> None:
    pids = gateway.nginx_pids()
    former = gateway.keys
    with ask.stream(
        "POST",
        CHAT,
        json={**PLAIN, "stream": True, "events": 40, "gap_s": 0.05},
        headers=bearer("rw-alice-2"),
    ) as going:
        lines = going.iter_lines()
        next(lines)
        gateway.keys = {"format": 1, "keys": [key("rw-new", "bob")]}
        gateway.write_data()
        loaded = gateway.ask("POST", "/load")
        assert loaded[0] == 200, loaded
        assert code(post(ask, "rw-alice-2")) == (401, "invalid_api_key")
        assert [post(ask, "rw-new").status_code for _ in range(20)] == [200] * 20
        assert sum(line.startswith("data: ") for line in lines) == 40
    (gateway.folder / "keys.json").write_text("{")
    status, said = gateway.ask("POST", "/load")
    assert (status, "keys.json" in said["error"]) == (422, True)
    assert post(ask, "rw-new").status_code == 200
    gateway.keys = former
    gateway.write_data()
    assert gateway.ask("POST", "/load")[0] == 200
    assert gateway.nginx_pids() == pids


def test_the_log_has_no_secret(ask: httpx.Client, gateway: LocalGateway) -> None:
    answer = ask.post(
        f"{CHAT}?key=rw-in-a-query",
        json={**PLAIN, "messages": "a-prompt"},
        headers=bearer("rw-alice"),
    )
    line = gateway.line_of(answer.headers)
    assert (line["client"], line["model"], line["replica"], line["status"]) == (
        "alice",
        "chat",
        "chat-a-0",
        200,
    )
    assert (line["prompt_tokens"], line["completion_tokens"]) == (10, 2)
    assert line["first_byte_s"] <= line["request_s"]
    logs = gateway.access_log.read_text() + gateway.error_log.read_text()
    assert not [word for word in ("rw-", "a-prompt", ENGINE_KEY) if word in logs]
