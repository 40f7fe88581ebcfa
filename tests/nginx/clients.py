"""Clients as people have them, told to trust the gateway and to ask once."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import openai

from lab.local_gateway import LocalGateway
from tests.samples.stand_in_fleet import secret

HI: list[Any] = [{"role": "user", "content": "hi"}]
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}
ANTHROPIC_TOOL: Any = {"name": "weather", "input_schema": WEATHER}


def trust(gateway: LocalGateway) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(gateway.certificate))


def of_openai(
    gateway: LocalGateway,
    client: str = "alice",
    *,
    path: str = "/v1",
    host: str = "localhost",
    heard: Callable[[httpx.Response], Any] = lambda answer: None,
) -> openai.OpenAI:
    """``host`` may be a name of a service's own, which only the header says.

    ``heard`` is given each answer, for its headers.
    """
    http = openai.DefaultHttpxClient(verify=trust(gateway), event_hooks={"response": [heard]})
    named = {} if host == "localhost" else {"Host": host}
    return openai.OpenAI(
        api_key=secret(client),
        base_url=gateway.url + path,
        http_client=http,
        max_retries=0,
        default_headers=named,
    )


def of_anthropic(
    gateway: LocalGateway, client: str = "alice", *, by: str = "api_key"
) -> anthropic.Anthropic:
    """``by``: with ``api_key`` it says x-api-key, with ``auth_token`` Authorization."""
    http = anthropic.DefaultHttpxClient(verify=trust(gateway))
    key: Any = {by: secret(client)}
    return anthropic.Anthropic(base_url=gateway.url, http_client=http, max_retries=0, **key)
