"""OpenAI's Python library against the gateway: kinds of requests, streams, tools, its errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from lab.local_gateway import LocalGateway
from tests.nginx.clients import HI, TOOL, of_openai
from tests.nginx.stand_in_answers import CACHED_TOKENS, PROMPT_TOKENS
from tests.samples.stand_in_fleet import BLUE, ENGINE_KEY, StandInFleet, secret

Ask = Callable[[openai.OpenAI], Any]


@pytest.fixture(scope="module")
def gateway(up: Any, served: StandInFleet) -> LocalGateway:
    return served.behind(up)


@pytest.fixture(autouse=True)
def clean(served: StandInFleet) -> None:
    served.forget()


@pytest.fixture
def alice(gateway: LocalGateway) -> Iterator[openai.OpenAI]:
    with of_openai(gateway) as client:
        yield client


def chat(client: openai.OpenAI, model: str = "chat", **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=HI, **more)


# --- kinds of requests -------------------------------------------------------------------------

KINDS: dict[str, tuple[str, Ask, Callable[[Any], Any], Any]] = {
    "chat": (
        "/v1/chat/completions",
        chat,
        lambda said: said.choices[0].message.content,
        "blue " * 3,
    ),
    "completions": (
        "/v1/completions",
        lambda c: c.completions.create(model="chat", prompt="hi"),
        lambda said: (said.choices[0].text, said.usage.total_tokens),
        ("blue " * 3, PROMPT_TOKENS + 3),
    ),
    "responses": (
        "/v1/responses",
        lambda c: c.responses.create(model="chat", input="hi"),
        lambda said: (said.output_text, said.usage.input_tokens_details.cached_tokens),
        ("blue " * 3, CACHED_TOKENS),
    ),
    "embeddings": (
        "/v1/embeddings",
        lambda c: c.embeddings.create(model="pool", input=["hi", "ho"]),
        lambda said: [one.embedding for one in said.data],
        [[0.5, -0.25]] * 2,
    ),
    "transcriptions": (
        "/v1/audio/transcriptions",
        lambda c: c.audio.transcriptions.create(
            model="whisper-1", file=("ä b.wav", b"RIFF\r\n--\r\n" * 1000)
        ),
        lambda said: said.text,
        "blue " * 3,
    ),
    "images": (
        "/v1/images/generations",
        lambda c: c.images.generate(model="voice", prompt="hi"),
        lambda said: said.data[0].b64_json,
        "aGk=",
    ),
    "rerank": (
        "/v1/rerank",
        lambda c: c.post(
            "/rerank", body={"model": "pool", "query": "a", "documents": ["b"]}, cast_to=object
        ),
        lambda said: said["results"][0]["relevance_score"],
        0.5,
    ),
    "score": (
        "/v1/score",
        lambda c: c.post(
            "/score", body={"model": "pool", "text_1": "a", "text_2": "b"}, cast_to=object
        ),
        lambda said: said["data"][0]["score"],
        0.5,
    ),
    "tokenize": (
        "/tokenize",
        lambda c: c.with_options(base_url=str(c.base_url).removesuffix("v1/")).post(
            "/tokenize", body={"model": "gpt-4o", "prompt": "hi"}, cast_to=object
        ),
        lambda said: said["count"],
        2,
    ),
}


@pytest.mark.parametrize(("path", "ask", "read", "expected"), KINDS.values(), ids=KINDS)
def test_a_kind_of_request_is_answered(
    alice: openai.OpenAI,
    served: StandInFleet,
    path: str,
    ask: Ask,
    read: Callable[[Any], Any],
    expected: Any,
) -> None:
    assert read(ask(alice)) == expected
    reached = served.the_one()
    assert (reached.path, reached.done) == (path, True)
    assert reached.header("authorization") == [f"Bearer {ENGINE_KEY}"]
    assert reached.model in ("chat", "pool", "voice")


def test_a_tool_is_called(alice: openai.OpenAI, served: StandInFleet) -> None:
    said = chat(alice, tools=[TOOL]).choices[0]
    assert said.finish_reason == "tool_calls"
    assert said.message.tool_calls[0].function.arguments == '{"city": "Paris"}'
    assert served.the_one().asked["tools"] == [TOOL]


# --- streams -----------------------------------------------------------------------------------


def test_a_stream_is_as_without_a_gateway(alice: openai.OpenAI, served: StandInFleet) -> None:
    """The gateway asked for the usage; the client did not, and sees none of it."""
    events = list(chat(alice, stream=True, max_tokens=5))
    assert [one.choices[0].delta.content for one in events] == ["", *["blue "] * 5]
    assert all(one.usage is None for one in events)
    assert served.the_one().asked["stream_options"] == {"include_usage": True}


def test_who_asks_for_usage_gets_it(alice: openai.OpenAI) -> None:
    *events, last = list(chat(alice, stream=True, stream_options={"include_usage": True}))
    assert (last.choices, last.usage.prompt_tokens, last.usage.completion_tokens) == (
        [],
        PROMPT_TOKENS,
        3,
    )
    assert all(one.choices for one in events)


def test_a_tool_is_called_in_a_stream(alice: openai.OpenAI) -> None:
    with alice.chat.completions.stream(model="gpt-4o", messages=HI, tools=[TOOL]) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.tool_calls and message.tool_calls[0].function.arguments == '{"city": "Paris"}'


def test_other_streams(alice: openai.OpenAI) -> None:
    texts = [
        one.choices[0].text
        for one in alice.completions.create(model="chat", prompt="hi", stream=True)
    ]
    assert texts == ["blue "] * 3
    events = list(alice.responses.create(model="chat", input="hi", stream=True))
    assert [one.sequence_number for one in events] == list(range(len(events)))
    assert events[-1].type == "response.completed" and events[-1].response.usage
    heard = alice.audio.transcriptions.create(model="voice", file=("a.wav", b"RIFF"), stream=True)
    assert len(list(heard)) == 3


def test_hanging_up_reaches_the_engine(
    alice: openai.OpenAI, gateway: LocalGateway, served: StandInFleet
) -> None:
    slowly = {"stand_in": {"pause_s": 0.05}}
    with chat(alice, stream=True, max_tokens=1000, extra_body=slowly) as stream:
        next(iter(stream))
    (engine,) = (one for one in served.engines["chat"] if one.record)
    (reached,) = engine.wait_for(lambda record: record[0].hung_up)
    assert not reached.done


# --- models and names --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "engine", "name"),
    [
        ("chat", "chat", "chat"),
        ("gpt-4o", "chat", "chat"),
        ("org/chat", "chat", "chat"),
        ("org/sql", "chat", "org/sql"),
        ("pool", "pool", "pool"),
    ],
)
def test_the_engine_and_the_client_see_the_engine_s_name(
    alice: openai.OpenAI, served: StandInFleet, asked: str, engine: str, name: str
) -> None:
    """``model`` of an answer is what the engine says: an alias is the gateway's word alone."""
    ask = (
        alice.embeddings.create(model=asked, input="hi") if engine == "pool" else chat(alice, asked)
    )
    assert ask.model == name
    assert [
        one.model for one in served.engines[engine][0].record + served.engines[engine][-1].record
    ][:1] == [name]


def test_models_are_listed_and_found(alice: openai.OpenAI) -> None:
    listed = {one.id: one for one in alice.models.list()}
    assert sorted(listed) == [
        "chat",
        "gpt-4o",
        "org/chat",
        "org/ear",
        "org/sql",
        "pool",
        "slow",
        "voice",
        "whisper-1",
    ]
    assert listed["gpt-4o"].model_extra and listed["gpt-4o"].model_extra["max_model_len"] == 1024
    assert listed["org/sql"].model_extra and listed["org/sql"].model_extra["parent"] == "chat"
    for name in ("chat", "org/sql"):
        assert alice.models.retrieve(name).id == name
    with pytest.raises(openai.NotFoundError):
        alice.models.retrieve("org/nobody")


def test_who_may_use_one_model_sees_one(gateway: LocalGateway) -> None:
    assert [one.id for one in of_openai(gateway, "aliased").models.list()] == ["gpt-4o"]
    assert [one.id for one in of_openai(gateway, "adapted").models.list()] == ["org/sql"]
    with pytest.raises(openai.NotFoundError):
        of_openai(gateway, "aliased").models.retrieve("pool")


def test_without_a_model_the_default_answers(alice: openai.OpenAI, served: StandInFleet) -> None:
    said = alice.post("/chat/completions", body={"messages": HI}, cast_to=object)
    assert (said["model"], served.the_one().model) == ("chat", "chat")  # type: ignore[index]


def test_a_path_and_a_name_of_a_service_s_own(gateway: LocalGateway, served: StandInFleet) -> None:
    said = of_openai(gateway, path="/pool/v1").post(
        "/embeddings", body={"input": "hi"}, cast_to=object
    )
    assert said["model"] == "pool"  # type: ignore[index]
    named = of_openai(gateway, host=BLUE)
    assert chat(named, "gpt-4o").model == "chat"
    assert {one.id for one in named.models.list()} == {"chat", "gpt-4o", "org/chat", "org/sql"}
    with pytest.raises(openai.NotFoundError):
        named.embeddings.create(model="pool", input="hi")


# --- errors ------------------------------------------------------------------------------------

ERRORS: dict[str, tuple[str, Ask, type[openai.APIStatusError], str | None]] = {
    "unknown key": ("nobody", chat, openai.AuthenticationError, "invalid_api_key"),
    "expired key": ("expired", chat, openai.AuthenticationError, "key_expired"),
    "another's model": ("pooler", chat, openai.PermissionDeniedError, "model_not_allowed"),
    "unknown model": (
        "alice",
        lambda c: chat(c, "nobody"),
        openai.NotFoundError,
        "model_not_found",
    ),
    "unknown path": (
        "alice",
        lambda c: c.moderations.create(input="hi"),
        openai.NotFoundError,
        "not_found",
    ),
    "path of another engine": (
        "alice",
        lambda c: chat(c, "pool"),
        openai.NotFoundError,
        "endpoint_not_supported",
    ),
    "no name": (
        "alice",
        lambda c: chat(c, extra_body={"model": 3}),
        openai.BadRequestError,
        "model_required",
    ),
    "the engine's 400": ("alice", lambda c: chat(c, max_tokens=-1), openai.BadRequestError, None),
    "the engine's 500": (
        "alice",
        lambda c: chat(c, extra_body={"stand_in": {"status": 500}}),
        openai.InternalServerError,
        None,
    ),
    "the engine's 503": (
        "alice",
        lambda c: chat(c, extra_body={"stand_in": {"status": 503}}),
        openai.InternalServerError,
        None,
    ),
    "a lost replica": (
        "alice",
        lambda c: chat(c, extra_body={"stand_in": {"die": True}}),
        openai.InternalServerError,
        "replica_lost",
    ),
}


@pytest.mark.parametrize(("client", "ask", "kind", "code"), ERRORS.values(), ids=ERRORS)
def test_an_error_is_the_library_s_own(
    gateway: LocalGateway,
    client: str,
    ask: Ask,
    kind: type[openai.APIStatusError],
    code: str | None,
) -> None:
    with pytest.raises(kind) as caught:
        ask(of_openai(gateway, client))
    error = caught.value
    assert (
        isinstance(error.body, dict)
        and error.body["message"]
        and secret(client) not in error.message
    )
    if code:
        assert (error.code, set(error.body)) == (code, {"message", "type", "param", "code"})
    assert error.request_id == error.response.headers["x-request-id"]


def test_a_request_is_sent_to_one_replica_once(gateway: LocalGateway, served: StandInFleet) -> None:
    with pytest.raises(openai.InternalServerError):
        chat(of_openai(gateway), extra_body={"stand_in": {"die": True}})
    assert len(served.reached()) == 1
