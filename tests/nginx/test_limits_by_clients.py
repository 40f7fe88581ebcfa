"""Limits of keys as clients meet them, and what is counted of each kind of request."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import httpx
import openai
import pytest

from lab.local_gateway import LocalGateway, wait_until
from tests.nginx.clients import HI, of_anthropic, of_openai
from tests.nginx.stand_in_answers import CACHED_TOKENS, PROMPT_TOKENS
from tests.samples.stand_in_fleet import StandInFleet


@pytest.fixture(scope="module")
def gateway(up: Any, served: StandInFleet) -> LocalGateway:
    return served.behind(up)


@pytest.fixture(autouse=True)
def clean(served: StandInFleet) -> None:
    served.forget()


def chat(gateway: LocalGateway, client: str, **more: Any) -> Any:
    with of_openai(gateway, client) as asking:
        return asking.chat.completions.create(**{"model": "chat", "messages": HI, **more})


def refusal(gateway: LocalGateway, client: str, **more: Any) -> openai.RateLimitError:
    with pytest.raises(openai.RateLimitError) as caught:
        chat(gateway, client, **more)
    return caught.value


def test_requests_a_minute(gateway: LocalGateway) -> None:
    for _ in range(3):
        chat(gateway, "hurried")
    refused = refusal(gateway, "hurried")
    assert refused.code == "rate_limit_exceeded"
    assert 1 <= int(refused.response.headers["retry-after"]) <= 60
    with pytest.raises(anthropic.RateLimitError):
        of_anthropic(gateway, "hurried").messages.create(model="chat", max_tokens=1, messages=HI)


@pytest.mark.parametrize(
    ("client", "code"), [("wordy", "tokens_limit_exceeded"), ("poor", "budget_exceeded")]
)
def test_tokens_a_minute_and_a_month(gateway: LocalGateway, client: str, code: str) -> None:
    """15 tokens each: the second one goes over the limit of 20, the third is refused."""
    chat(gateway, client)
    chat(gateway, client)
    assert refusal(gateway, client).code == code


STREAMS: dict[str, dict[str, Any]] = {
    "plainly": {},
    "with options of null": {"extra_body": {"stream_options": None}},
    "without usage": {"stream_options": {"include_usage": False}},
    "with usage": {"stream_options": {"include_usage": True}},
}


@pytest.mark.parametrize("how", STREAMS.values(), ids=STREAMS)
def test_a_stream_uses_the_budget_however_it_is_asked_for(
    gateway: LocalGateway, how: dict[str, Any]
) -> None:
    before = used(gateway, "streaming")
    with of_openai(gateway, "streaming") as client:
        list(client.chat.completions.create(model="chat", messages=HI, stream=True, **how))
    wait_until(lambda: used(gateway, "streaming") == before + PROMPT_TOKENS + 3)


def used(gateway: LocalGateway, client: str) -> int:
    return int(gateway.ask("GET", "/state")[1]["clients"][client]["tokens_this_month"])


def test_requests_in_flight(gateway: LocalGateway, served: StandInFleet) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(chat, gateway, "narrow", extra_body={"stand_in": {"wait": True}})
        wait_until(lambda: bool(served.reached()))
        refused = refusal(gateway, "narrow")
        assert (refused.code, refused.response.headers["retry-after"]) == (
            "in_flight_limit_exceeded",
            "1",
        )
        chat(gateway, "carol")  # another client's is another count
        for engine in served.all():
            engine.gate.set()
        assert first.result().choices
    for _ in range(20):  # each at once behind the answer before it, by another connection
        chat(gateway, "narrow")


# --- usage -------------------------------------------------------------------------------------

Ask = Callable[[openai.OpenAI], Any]
ROW = ("requests", "prompt_tokens", "cached_tokens", "completion_tokens")
COUNTED: dict[str, tuple[str, Ask, tuple[int, int, int, int]]] = {
    "chat": (
        "chat",
        lambda c: c.chat.completions.create(model="chat", messages=HI),
        (1, PROMPT_TOKENS, CACHED_TOKENS, 3),
    ),
    "an alias": (
        "gpt-4o",
        lambda c: c.chat.completions.create(model="gpt-4o", messages=HI),
        (1, PROMPT_TOKENS, CACHED_TOKENS, 3),
    ),
    "an adapter": (
        "org/sql",
        lambda c: c.chat.completions.create(model="org/sql", messages=HI),
        (1, PROMPT_TOKENS, CACHED_TOKENS, 3),
    ),
    "a stream": (
        "chat",
        lambda c: list(
            c.chat.completions.create(model="chat", messages=HI, stream=True, max_tokens=7)
        ),
        (1, PROMPT_TOKENS, CACHED_TOKENS, 7),
    ),
    "a stream of text": (
        "chat",
        lambda c: list(c.completions.create(model="chat", prompt="hi", stream=True)),
        (1, PROMPT_TOKENS, CACHED_TOKENS, 3),
    ),
    "a response": (
        "chat",
        lambda c: c.responses.create(model="chat", input="hi"),
        (1, PROMPT_TOKENS, CACHED_TOKENS, 3),
    ),
    "a stream of a response": (
        "chat",
        lambda c: list(c.responses.create(model="chat", input="hi", stream=True)),
        (1, PROMPT_TOKENS, CACHED_TOKENS, 3),
    ),
    "embeddings": (
        "pool",
        lambda c: c.embeddings.create(model="pool", input="hi"),
        (1, PROMPT_TOKENS, 0, 0),
    ),
    "many embeddings": (
        "pool",
        lambda c: c.embeddings.create(model="pool", input=["hi"] * 2000),
        (1, PROMPT_TOKENS, 0, 0),
    ),
    "rerank": (
        "pool",
        lambda c: c.post(
            "/rerank", body={"model": "pool", "query": "a", "documents": ["b"]}, cast_to=object
        ),
        (1, PROMPT_TOKENS, 0, 0),
    ),
    "a recording": (
        "voice",
        lambda c: c.audio.transcriptions.create(model="voice", file=("a.wav", b"RIFF")),
        (1, 0, 0, 0),
    ),
    "a stream of a recording": (
        "voice",
        lambda c: list(
            c.audio.transcriptions.create(model="voice", file=("a.wav", b"RIFF"), stream=True)
        ),
        (1, PROMPT_TOKENS, CACHED_TOKENS, 3),
    ),
    "an image": (
        "voice",
        lambda c: c.images.generate(model="voice", prompt="hi"),
        (1, PROMPT_TOKENS, 0, 9),
    ),
    "much behind the usage": (
        "chat",
        lambda c: c.chat.completions.create(
            model="chat", messages=HI, max_tokens=2000, extra_body={"stand_in": {"behind": 100_000}}
        ),
        (1, PROMPT_TOKENS, CACHED_TOKENS, 2000),
    ),
    "a fault of the client's": ("chat", lambda c: failed(c, max_tokens=-1), (0, 0, 0, 0)),
    "a fault of the engine's": (
        "chat",
        lambda c: failed(c, extra_body={"stand_in": {"status": 500}}),
        (0, 0, 0, 0),
    ),
}


def failed(client: openai.OpenAI, **more: Any) -> None:
    with pytest.raises(openai.APIStatusError):
        client.chat.completions.create(model="chat", messages=HI, **more)


def row(gateway: LocalGateway, model: str) -> tuple[int, ...]:
    rows = [
        one
        for one in gateway.ask("GET", "/usage")[1]
        if (one["client"], one["model"]) == ("counted", model)
    ]
    return tuple(sum(one[name] for one in rows) for name in ROW)  # one a day


@pytest.mark.parametrize(("model", "ask", "more"), COUNTED.values(), ids=COUNTED)
def test_what_is_counted(
    gateway: LocalGateway, model: str, ask: Ask, more: tuple[int, ...]
) -> None:
    before, answers = row(gateway, model), list[httpx.Response]()
    with of_openai(gateway, "counted", heard=answers.append) as client:
        ask(client)
    expected = tuple(a + b for a, b in zip(before, more, strict=True))
    line = gateway.line_of(answers[0].headers)
    assert (line["client"], line["model"]) == ("counted", model)
    assert tuple(line[name] for name in ROW[1:]) == more[1:]
    wait_until(lambda: row(gateway, model) == expected)  # a worker tells the others once a second


def test_seconds_of_sound_are_counted(gateway: LocalGateway) -> None:
    """A stream tells its tokens instead, and what is no sound has none."""

    def heard() -> tuple[int, int]:
        rows = [one for one in gateway.ask("GET", "/usage")[1] if one["client"] == "counted"]
        of = {one["model"]: (one["requests"], one["audio_seconds"]) for one in rows}
        return of.get("voice", (0, 0))

    before, texts = heard(), row(gateway, "chat")
    with of_openai(gateway, "counted") as client:
        hear = client.audio.transcriptions.create
        for _ in range(2):
            hear(model="voice", file=("a.wav", b"RIFF"))
        list(hear(model="voice", file=("a.wav", b"RIFF"), stream=True))
        client.chat.completions.create(model="chat", messages=HI)
    wait_until(lambda: heard() == (before[0] + 3, before[1] + 6))
    wait_until(lambda: row(gateway, "chat")[0] == texts[0] + 1)
    assert all(
        one["audio_seconds"] == 0
        for one in gateway.ask("GET", "/usage")[1]
        if one["model"] == "chat"
    )
    series = 'rackwright_gateway_audio_seconds_total{client="counted",model="voice"}'
    assert series in str(gateway.ask("GET", "/metrics")[1])


def test_a_message_of_anthropic_s_counts_what_the_cache_had_as_prompt(
    gateway: LocalGateway,
) -> None:
    """Its ``input_tokens`` are without those: both APIs' counts of one prompt are the same."""
    before = row(gateway, "chat")
    with of_anthropic(gateway, "counted") as client:
        client.messages.create(model="chat", max_tokens=3, messages=HI)
        list(client.messages.create(model="chat", max_tokens=3, messages=HI, stream=True))
    expected = (
        before[0] + 2,
        before[1] + 2 * PROMPT_TOKENS,
        before[2] + 2 * CACHED_TOKENS,
        before[3] + 6,
    )
    wait_until(lambda: row(gateway, "chat") == expected)


def test_a_stream_that_is_cut_off_counts(gateway: LocalGateway, served: StandInFleet) -> None:
    """By its events, each of which is sent when the one before it has come."""
    before = row(gateway, "chat")
    with of_openai(gateway, "counted") as client:
        by_steps = {"stand_in": {"steps": True}}
        let_one_go(served)
        with client.chat.completions.create(
            model="chat", messages=HI, stream=True, max_tokens=1000, extra_body=by_steps
        ) as stream:
            for _, _event in zip(range(10), stream, strict=False):
                let_one_go(served)

    def grown() -> list[int]:
        now = row(gateway, "chat")
        return [now[place] - before[place] for place in (0, 3)]

    wait_until(lambda: all(grown()))
    requests, completion_tokens = grown()
    assert requests == 1 and 9 <= completion_tokens < 100


def let_one_go(served: StandInFleet) -> None:
    for engine in served.engines["chat"]:
        engine.steps.release()
