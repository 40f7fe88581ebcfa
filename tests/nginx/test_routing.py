"""Which service a request reaches, by its model, and what the engine gets."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lab.local_gateway import LocalGateway
from tests.samples.controlled_engine import ControlledEngine
from tests.samples.gateway_data import fleet, service

CHAT = "/v1/chat/completions"
Engines = tuple[ControlledEngine, ControlledEngine]


@pytest.fixture(scope="module")
def gateway(up: Any, engines: Engines) -> LocalGateway:
    first, second = engines
    chat = service("chat", [first.port], aliases=["gpt-4o", "org/chat"], adapters=["sql"])
    paths = [CHAT, "/v1/audio/transcriptions"]
    other = service("other", [second.port], paths=paths, origins=["*"])
    started: LocalGateway = up(fleet({"chat": chat, "other": other}, default="chat"))
    return started


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.mark.parametrize(
    ("asked", "engine", "sent"),
    [
        ("chat", 0, "chat"),
        ("gpt-4o", 0, "chat"),
        ("org/chat", 0, "chat"),
        ("sql", 0, "sql"),
        ("other", 1, "other"),
        (None, 0, "chat"),
    ],
)
def test_the_model_says_which_engine_and_it_gets_its_own_name(
    ask: httpx.Client, engines: Engines, asked: str | None, engine: int, sent: str
) -> None:
    before = len(engines[engine].requests)
    body = {"messages": [], **({"model": asked} if asked else {})}
    answer = ask.post(CHAT, json=body)
    assert answer.status_code == 200, answer.text
    new = [one for one in engines[engine].requests[before:] if one.line.startswith("POST")]
    assert [one.json["model"] for one in new] == [sent]
    assert answer.headers["x-rackwright-replica"] == ("chat-a-0", "other-a-0")[engine]


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "gpt-4o"}',
        b'  {\n"a": [1, {"model": "other"}], "model" : "gpt-4o" , "b": {}}\r\n',
        b'{"x": "\\"model\\": \\"other\\"", "model": "gpt-4o"}',
        b'{"mod\\u0065l": "gpt-4o"}',
        b'{"model": "gpt\\u002d4o", "z": null}',
        b'{"z": -1.5e3, "y": true, "model": "gpt-4o"}',
        '{"ü": "\\\\", "model": "gpt-4o"}'.encode(),
    ],
)
def test_a_body_is_read_as_a_parser_reads_it(ask: httpx.Client, body: bytes) -> None:
    answer = ask.post(CHAT, content=body)
    assert (answer.status_code, answer.json()["model"]) == (200, "chat")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", (400, "invalid_json")),
        (b"[]", (400, "invalid_json")),
        (b'{"model": "chat"', (400, "invalid_json")),
        (b'{"model": "chat"}}', (400, "invalid_json")),
        (b'{"model": "chat"} {}', (400, "invalid_json")),
        (b'{"model": "chat", "a": "\\', (400, "invalid_json")),
        (b'{"model": "chat", "a": "x\x00y"}', (400, "invalid_json")),
        (b"{'model': 'chat'}", (400, "invalid_json")),
        (b'{"model": "chat",}', (400, "invalid_json")),
        (b"[" * 100_000, (400, "invalid_json")),
        (b'{"a": ' + b"[" * 100_000, (400, "invalid_json")),
        (b'{"model": "chat", "model": "other"}', (400, "duplicate_key")),
        (b'{"model": "chat", "mod\\u0065l": "other"}', (400, "duplicate_key")),
        (b'{"model": "chat", "MODEL": "other"}', (400, "duplicate_key")),
        (b'{"MODEL": "chat"}', (400, "duplicate_key")),
        (b'{"model": 3}', (400, "model_required")),
        (b'{"model": ["chat"]}', (400, "model_required")),
        (b'{"model": "nobody"}', (404, "model_not_found")),
        ('{"model": "chat"}'.encode("utf-16"), (400, "invalid_json")),
        (b'\xef\xbb\xbf{"model": "chat"}', (400, "invalid_json")),
    ],
)
def test_a_faulty_body_reaches_no_engine(
    ask: httpx.Client, engines: Engines, body: bytes, expected: tuple[int, str]
) -> None:
    before = [len(one.posts()) for one in engines]
    assert code(ask.post(CHAT, content=body)) == expected
    assert [len(one.posts()) for one in engines] == before


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)

MEANT = {  # by the gateway in any case of letters, or by the stand-in
    "model",
    "messages",
    "stream",
    "stream_options",
    "usage",
    "prompt_cache_key",
    "delay_s",
    "status",
    "die",
    "events",
}


@example({"canary": None}, False, None)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.text(max_size=8), VALUES, max_size=5),
    st.booleans(),
    st.sampled_from([None, 2]),
)
def test_whatever_is_around_it_the_model_is_found(
    ask: httpx.Client,
    engines: Engines,
    around: dict[str, Any],
    ascii_only: bool,
    indent: int | None,
) -> None:
    around = {name: value for name, value in around.items() if name.lower() not in MEANT}
    body = json.dumps({**around, "model": "gpt-4o"}, ensure_ascii=ascii_only, indent=indent)
    answer = ask.post(CHAT, content=body.encode("utf-8", "surrogatepass"))
    assert answer.status_code == 200, answer.text
    assert engines[0].posts()[-1].json == {**around, "model": "chat"}


def test_paths_and_models_of_services(ask: httpx.Client) -> None:
    assert ask.post("/other/v1/chat/completions", json={}).json()["model"] == "other"
    assert code(ask.post("/other/v1/chat/completions", json={"model": "chat"})) == (
        404,
        "model_not_found",
    )
    assert code(ask.post("/v1/embeddings", json={"model": "other"})) == (
        404,
        "endpoint_not_supported",
    )
    assert code(ask.post("/nobody/v1/chat/completions", json={})) == (404, "not_found")
    refused = ask.get(CHAT)
    assert (code(refused), refused.headers["allow"]) == ((405, "method_not_allowed"), "POST")
    listed = ask.get("/v1/models").json()["data"]
    assert [one["id"] for one in listed] == ["chat", "gpt-4o", "org/chat", "other", "sql"]
    assert [one["id"] for one in ask.get("/other/v1/models").json()["data"]] == ["other"]
    assert ask.get("/v1/models/org/chat").json()["root"] == "chat"
    assert code(ask.get("/v1/models/nobody")) == (404, "model_not_found")


def test_pages_of_every_origin_may_ask_where_a_service_says_so(ask: httpx.Client) -> None:
    page = {"origin": "https://anywhere.example"}
    asks = {**page, "access-control-request-method": "POST"}
    preflight = ask.options(CHAT, headers=asks)
    allowed = "access-control-allow-origin"
    assert (preflight.status_code, preflight.headers[allowed]) == (204, page["origin"])
    assert ask.post(CHAT, json={"model": "other"}, headers=page).headers[allowed] == page["origin"]
    assert allowed not in ask.post(CHAT, json={"model": "chat"}, headers=page).headers


def test_anthropic_has_its_own_errors(ask: httpx.Client) -> None:
    error = ask.post("/v1/messages", json={"model": "nobody"}).json()
    assert (error["type"], error["error"]["type"]) == ("error", "not_found_error")


def form(*parts: tuple[str, bytes], boundary: bytes = b"xyz") -> dict[str, Any]:
    lines = b"".join(
        b"--%s\r\n%s\r\n\r\n%s\r\n" % (boundary, head.encode(), body) for head, body in parts
    )
    kind = f"multipart/form-data; boundary={boundary.decode()}"
    return {"content": lines + b"--%s--\r\n" % boundary, "headers": {"content-type": kind}}


AUDIO = 'Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav'
MODEL = 'Content-Disposition: form-data; name="model"'


def test_a_form_is_routed_by_its_part(ask: httpx.Client, engines: Engines) -> None:
    audio = (AUDIO, b'RIFF\r\n--xy name="model"\r\n\r\nother' + b"\0" * 3_000_000)
    answer = ask.post("/v1/audio/transcriptions", **form(audio, (MODEL, b"gpt-4o")))
    assert answer.status_code == 200, answer.text
    got = engines[0].posts()[-1]
    assert got.body == form(audio, (MODEL, b"chat"))["content"]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([(MODEL, b"chat"), (MODEL, b"other")], "duplicate_key"),
        ([('Content-Disposition: form-data; name="model"; name="x"', b"chat")], "invalid_form"),
        ([("Content-Disposition: form-data; name*=utf-8''model", b"chat")], "invalid_form"),
        ([("Content-Disposition: form-data; name=model", b"chat")], "invalid_form"),
        ([("X: y", b"chat")], "invalid_form"),
        ([(MODEL, b"nobody")], "model_not_found"),
    ],
)
def test_a_tricky_form_is_refused(
    ask: httpx.Client, parts: list[tuple[str, bytes]], expected: str
) -> None:
    assert code(ask.post("/v1/audio/transcriptions", **form(*parts)))[1] == expected
