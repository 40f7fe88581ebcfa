"""Clients of the load proof: each asks, waits a while and asks again, in a manner of its own."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

PAUSE_S = 1.5
"""On the average, between an answer and the next request."""
LIMIT_S = 120
RELOAD_S = 3
"""After a reload, within which an idle connection may have been closed under a request."""
EXPECTED_CODES = {
    "rate_limit_exceeded", "in_flight_limit_exceeded", "queue_full", "queue_timeout",
}  # fmt: skip


@dataclass(frozen=True)
class Manner:
    """How a client behaves. ``leaves``: it hangs up midway; ``slow``: it reads as if by hand."""

    stream: bool
    leaves: bool = False
    slow: bool = False
    http2: bool = False


MANNERS = (
    Manner(stream=False),
    Manner(stream=True),
    Manner(stream=True, http2=True),
    Manner(stream=False, http2=True),
    Manner(stream=True, leaves=True),
    Manner(stream=True, slow=True),
    Manner(stream=False, leaves=True),
    Manner(stream=True, leaves=True, http2=True),
)


@dataclass
class Tally:
    """What became of every request. ``whole``: ids of those answered to the end; ``broken``: of
    those that an engine began and did not end; ``left``: of those whose client hung up."""

    counts: Counter[str] = field(default_factory=Counter)
    whole: dict[str, str] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    sent_again: int = 0
    reloaded_at: float = float("-inf")

    @property
    def sent(self) -> int:
        """Requests in all, for each of which one thing is counted."""
        return self.counts.total()


@dataclass
class Client:
    """One of them: a key, the models it may ask for, a manner, and the count that all share."""

    name: str
    key: str
    models: tuple[str, ...]
    manner: Manner
    url: str
    context: ssl.SSLContext
    tally: Tally
    chance: random.Random

    async def run(self, until: float) -> None:
        """Ask until the time of the monotonic clock has come."""
        options: dict[str, Any] = {"verify": self.context, "http2": self.manner.http2}
        headers = {"Authorization": f"Bearer {self.key}"}
        await asyncio.sleep(self.chance.uniform(0, PAUSE_S))
        async with httpx.AsyncClient(headers=headers, timeout=LIMIT_S, **options) as http:
            while time.monotonic() < until:
                await self._ask(http)
                await asyncio.sleep(self.chance.expovariate(1 / PAUSE_S))

    async def _ask(self, http: httpx.AsyncClient) -> None:
        body = self._body()
        try:
            outcome = await self._once(http, body)
        except httpx.HTTPError as error:
            outcome = await self._ask_again(http, body, error)
        self.tally.counts[outcome] += 1

    async def _ask_again(
        self, http: httpx.AsyncClient, body: Mapping[str, Any], error: httpx.HTTPError
    ) -> str:
        """Nginx that is reloaded ends connections that idle, and a request may just then set out on
        one. It was not taken, so that it may be sent again; at no other time."""
        if time.monotonic() - self.tally.reloaded_at < RELOAD_S:
            self.tally.sent_again += 1
            return await self._once(http, body)
        self.tally.wrong.append(f"{self.name}: {error!r}")
        return "wrong"

    def _body(self) -> dict[str, Any]:
        document = f"{self.name} {self.chance.randrange(20)} " * self.chance.randrange(5, 400)
        body = {
            "model": self.chance.choice(self.models),
            "messages": [{"role": "user", "content": document}],
            "max_tokens": self.chance.randrange(5, 60),
            "user": self.name,
        }
        if self.manner.stream:
            body["stream"] = True
        if self.manner.stream and self.chance.random() < 0.5:
            body["stream_options"] = {"include_usage": True}
        return body

    async def _once(self, http: httpx.AsyncClient, body: Mapping[str, Any]) -> str:
        # httpx cannot be cancelled while it sends by HTTP/2: there, clients leave between tokens.
        cancels = self.manner.leaves and not self.manner.http2
        patience = self.chance.uniform(0, 0.6) if cancels else LIMIT_S
        request = _Request(self, body)
        try:
            await asyncio.wait_for(request.send(http), patience)
        except (TimeoutError, _Left):
            if not self.manner.leaves:
                return self._note_wrong(request, f"not answered within {LIMIT_S} s")
            self.tally.left.add(request.id)
            return "left"
        except httpx.HTTPError as error:
            if self._met_a_reload(request, error):
                self.tally.left.add(request.id)
                return "left at a reload, as httpx does of HTTP/2"
            if not request.status:
                raise
            self.tally.broken[request.id] = repr(error)
            return "broken off by the engine"
        return self._judge(request)

    def _met_a_reload(self, request: _Request, error: httpx.HTTPError) -> bool:
        """httpx gives a stream up when the server says that it takes no new ones (GOAWAY), though
        Nginx would have ended it."""
        began_before = request.began < self.tally.reloaded_at + RELOAD_S
        return self.manner.http2 and began_before and "error_code:0" in str(error)

    def _judge(self, request: _Request) -> str:
        if request.status == 200:
            if fault := request.fault():
                return self._note_wrong(request, fault)
            self.tally.whole[request.id] = self.name
            return "answered"
        code = request.code()
        if request.status == 429 and code in EXPECTED_CODES:
            return f"429 {code}"
        if request.status == 502 and code == "replica_lost":
            self.tally.broken[request.id] = "502 replica_lost"
            return "502 replica_lost"
        return self._note_wrong(request, f"HTTP {request.status} {code}")

    def _note_wrong(self, request: _Request, words: str) -> str:
        self.tally.wrong.append(f"{self.name} {request.id}: {words}")
        return "wrong"


class _Left(Exception):
    """The client has seen enough."""


class _Request:
    """One request and what came of it."""

    def __init__(self, client: Client, body: Mapping[str, Any]) -> None:
        self.client, self.body = client, body
        self.status, self.id, self.answer = 0, "", b""
        self.began = time.monotonic()

    async def send(self, http: httpx.AsyncClient) -> None:
        async with http.stream("POST", self.client.url, json=dict(self.body)) as answer:
            self.status = answer.status_code
            self.id = answer.headers.get("x-request-id", "")
            async for piece in answer.aiter_raw():
                self.answer += piece
                if self.client.manner.leaves and self.client.chance.random() < 0.1:
                    raise _Left
                if self.client.manner.slow:
                    await asyncio.sleep(0.2)

    def code(self) -> str:
        """The gateway's own code of an error."""
        try:
            return str(json.loads(self.answer)["error"]["code"])
        except (ValueError, KeyError, TypeError):
            return repr(self.answer[:200])

    def fault(self) -> str:
        """What is wrong with an answer of status 200, if anything."""
        if not self.client.manner.stream:
            said = json.loads(self.answer)["usage"]["completion_tokens"]
            return "" if said == self.body["max_tokens"] else f"{said} tokens"
        if not self.answer.endswith(b"data: [DONE]\n\n"):
            return "a stream without an end"
        tokens = self.answer.count(b'"delta"')
        if tokens != self.body["max_tokens"]:
            return f"{tokens} of {self.body['max_tokens']} tokens"
        if (b'"usage"' in self.answer) != ("stream_options" in self.body):
            return "usage that was not asked for, or none that was"
        return ""
