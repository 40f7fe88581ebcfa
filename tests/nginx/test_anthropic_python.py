"""Anthropic's Python library against the gateway, where an engine answers its API natively."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest

from lab.local_gateway import LocalGateway
from tests.nginx.clients import ANTHROPIC_TOOL, HI, of_anthropic
from tests.nginx.stand_in_answers import CACHED_TOKENS, PROMPT_TOKENS
from tests.samples.stand_in_fleet import ENGINE_KEY, StandInFleet


@pytest.fixture(scope="module")
def gateway(up: Any, served: StandInFleet) -> LocalGateway:
    return served.behind(up)


@pytest.fixture
def alice(gateway: LocalGateway, served: StandInFleet) -> Iterator[anthropic.Anthropic]:
    served.forget()
    with of_anthropic(gateway) as client:
        yield client


def ask(client: anthropic.Anthropic, model: str = "chat", **more: Any) -> Any:
    return client.messages.create(**{"model": model, "max_tokens": 3, "messages": HI, **more})


@pytest.mark.parametrize("by", ["api_key", "auth_token"])
def test_a_message(gateway: LocalGateway, served: StandInFleet, by: str) -> None:
    """``x-api-key`` or ``Authorization``: the engine gets its own key, and no client's."""
    served.forget()
    said = ask(of_anthropic(gateway, by=by), "gpt-4o", system="be blue")
    assert (said.content[0].text, said.stop_reason, said.model) == ("blue " * 3, "end_turn", "chat")
    assert said.usage.input_tokens + said.usage.cache_read_input_tokens == PROMPT_TOKENS
    reached = served.the_one()
    assert (reached.path, reached.model) == ("/v1/messages", "chat")
    assert reached.header("authorization") == [f"Bearer {ENGINE_KEY}"]
    assert reached.header("x-api-key") == []
    assert len(reached.header("anthropic-version")) == 1


def test_a_stream(alice: anthropic.Anthropic, served: StandInFleet) -> None:
    with alice.messages.stream(model="chat", max_tokens=4, messages=HI) as stream:
        assert list(stream.text_stream) == ["blue "] * 4
        usage = stream.get_final_message().usage
    assert (usage.output_tokens, usage.cache_read_input_tokens) == (4, CACHED_TOKENS)
    assert "stream_options" not in served.the_one().asked


def test_a_tool(alice: anthropic.Anthropic) -> None:
    said = ask(alice, tools=[ANTHROPIC_TOOL])
    assert (said.stop_reason, said.content[0].input) == ("tool_use", {"city": "Paris"})
    with alice.messages.stream(
        model="chat", max_tokens=4, messages=HI, tools=[ANTHROPIC_TOOL]
    ) as stream:
        assert stream.get_final_message().content[0].input == {"city": "Paris"}  # type: ignore[union-attr]


def test_tokens_are_counted(alice: anthropic.Anthropic, served: StandInFleet) -> None:
    assert alice.messages.count_tokens(model="gpt-4o", messages=HI).input_tokens == PROMPT_TOKENS
    assert served.the_one().path == "/v1/messages/count_tokens"


def test_models(alice: anthropic.Anthropic) -> None:
    assert "gpt-4o" in [one.id for one in alice.models.list()]
    assert alice.models.retrieve("chat").display_name == "chat"


def test_hanging_up_reaches_the_engine(alice: anthropic.Anthropic, served: StandInFleet) -> None:
    slowly = {"stand_in": {"pause_s": 0.05}}
    with ask(alice, stream=True, max_tokens=1000, extra_body=slowly) as stream:
        next(iter(stream))
    (engine,) = (one for one in served.engines["chat"] if one.record)
    engine.wait_for(lambda record: record[0].hung_up)


Asked = Callable[[anthropic.Anthropic], Any]
ERRORS: dict[str, tuple[str, Asked, type[anthropic.APIStatusError], str]] = {
    "unknown key": ("nobody", ask, anthropic.AuthenticationError, "authentication_error"),
    "expired key": ("expired", ask, anthropic.AuthenticationError, "authentication_error"),
    "another's model": ("pooler", ask, anthropic.PermissionDeniedError, "permission_error"),
    "unknown model": (
        "alice",
        lambda c: ask(c, "nobody"),
        anthropic.NotFoundError,
        "not_found_error",
    ),
    "no name": (
        "alice",
        lambda c: ask(c, extra_body={"model": 3}),
        anthropic.BadRequestError,
        "invalid_request_error",
    ),
    "another engine's path": (
        "alice",
        lambda c: ask(c, "pool"),
        anthropic.NotFoundError,
        "not_found_error",
    ),
    "too large": (
        "alice",
        lambda c: ask(c, system="a" * (33 * 2**20)),
        anthropic.RequestTooLargeError,
        "request_too_large",
    ),
    "a lost replica": (
        "alice",
        lambda c: ask(c, extra_body={"stand_in": {"die": True}}),
        anthropic.InternalServerError,
        "api_error",
    ),
}


@pytest.mark.parametrize(("client", "asked", "kind", "name"), ERRORS.values(), ids=ERRORS)
def test_an_error_is_the_library_s_own(
    gateway: LocalGateway,
    client: str,
    asked: Asked,
    kind: type[anthropic.APIStatusError],
    name: str,
) -> None:
    with pytest.raises(kind) as caught:
        asked(of_anthropic(gateway, client))
    body = caught.value.body
    assert isinstance(body, dict) and body["type"] == "error"
    assert body["error"].keys() == {"type", "message"}
    assert body["error"]["type"] == name
