"""A constant load by the real `openai` library, each request recorded: what was lost, and why.

    python -m tests.lab.constant_load --url https://llm.lab.example --address 198.18.0.10 \
        --certificate gateway.crt --model tiny-llama --streams 4 --plain 4 --out load.json

asks a gateway over TLS until SIGTERM or SIGINT, for ``--seconds``, or until ``--requests`` ended;
what is under way then is waited for. It asks nothing again: a request that fails is a failure. A
stream is whole when it has a finish_reason and its last line is [DONE]. The key, if any, is in
OPENAI_API_KEY.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from tests.samples.load_records import Record, fault_of, summary

DONE = b"data: [DONE]"
TAIL_BYTES = 64
REQUEST_S = 600
FIRST = "the first answer was whole"
"""Printed when it was: from then on a failure is a failure of the fleet."""
PROMPT = "Who are you, and what do you run on? Question {}."


class _Watched(httpx2.AsyncByteStream):
    """A body as it comes, and its last bytes: the library reads [DONE] and says nothing of it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.tail = b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self.tail = (self.tail + part)[-TAIL_BYTES:]
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Resolved(httpx2.AsyncHTTPTransport):
    """Sends requests for a name to an address, as DNS would; TLS still checks the name."""

    def __init__(self, address: str | None, **options: Any) -> None:
        super().__init__(**options)
        self._address = address

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._address:
            request.extensions["sni_hostname"] = request.url.host
            request.url = request.url.copy_with(host=self._address)
        response = await super().handle_async_request(request)
        response.stream = response.extensions["body"] = _Watched(response.stream)
        return response


@dataclass
class Seen:
    """One request while it is under way."""

    kind: str
    start: float
    status: int | None = None
    replica: str = ""
    tokens: int = 0
    finish_reason: str = ""
    done: bool = False

    @property
    def fault(self) -> str:
        """What its answer lacks."""
        return fault_of(self.kind, self.tokens, self.finish_reason, self.done)

    def record(self, fault: str) -> Record:
        """What became of it."""
        said = {key: value for key, value in vars(self).items() if key != "done"}
        return Record(**said, end=time.time(), fault=fault)


@dataclass
class Load:
    """Who asks, what for, and what became of it."""

    client: openai.AsyncOpenAI
    model: str
    max_tokens: int
    pause_s: float
    extra: dict[str, Any] | None = None
    requests: int | None = None
    records: list[Record] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, streams: int, plain: int, seconds: float | None) -> None:
        """So many of each kind at once, until it is over and the last has its answer."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.over.set)
        if seconds is not None:
            loop.call_later(seconds, self.over.set)
        kinds = ["stream"] * streams + ["plain"] * plain
        await asyncio.gather(*(self._keep_asking(kind, n) for n, kind in enumerate(kinds)))

    async def _keep_asking(self, kind: str, number: int) -> None:
        asked = 0
        while not self.over.is_set():
            asked += 1
            self.records.append(await self._asked(kind, f"{number}.{asked}"))
            if len(self.records) == self.requests:
                self.over.set()
            await asyncio.sleep(self.pause_s)

    async def _asked(self, kind: str, text: str) -> Record:
        seen = Seen(kind, time.time())
        try:
            await self._answer(kind, text, seen)
            fault = seen.fault
        except (openai.APIError, httpx2.HTTPError) as error:
            seen.status = getattr(error, "status_code", seen.status)
            fault = _words(error)
        record = seen.record(fault)
        if record.is_well and not any(one.is_well for one in self.records):
            print(FIRST, flush=True)
        return record

    async def _answer(self, kind: str, text: str, seen: Seen) -> None:
        raw = await self.client.chat.completions.with_raw_response.create(
            model=self.model,
            messages=[{"role": "user", "content": PROMPT.format(text)}],
            max_tokens=self.max_tokens,
            stream=kind == "stream",
            extra_body=self.extra,
        )
        seen.status = raw.status_code
        seen.replica = raw.headers.get("x-rackwright-replica", "")
        answer: Any = raw.parse()
        if kind == "plain":
            seen.tokens = answer.usage.completion_tokens
            seen.finish_reason = answer.choices[0].finish_reason
            return
        async for chunk in answer:
            for choice in chunk.choices:
                seen.tokens += bool(choice.delta.content)
                seen.finish_reason = choice.finish_reason or seen.finish_reason
        seen.done = DONE in raw.http_response.extensions["body"].tail


def _words(error: Exception) -> str:
    """Its class, the status if it has one, its cause: what a person would look for first."""
    cause = f" ({error.__cause__!r})" if error.__cause__ else ""
    return f"{type(error).__name__}: {error}{cause}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", required=True, help="https://NAME[:PORT] of the gateway")
    parser.add_argument("--address", help="where NAME is, if the system does not know it")
    parser.add_argument("--certificate", help="a PEM file to trust, instead of the system's")
    parser.add_argument("--model", required=True)
    parser.add_argument("--streams", type=int, default=4, help="streamed requests at once")
    parser.add_argument("--plain", type=int, default=4, help="plain requests at once")
    parser.add_argument("--max-tokens", type=int, default=24)
    parser.add_argument("--pause-s", type=float, default=0.05, help="from an answer to the next")
    parser.add_argument("--seconds", type=float, help="until a signal where it is left out")
    parser.add_argument("--requests", type=int, help="until so many ended, whatever comes first")
    parser.add_argument("--extra", type=json.loads, help="more members of each body, as JSON")
    parser.add_argument("--out", type=Path, required=True, help="the summary, as JSON")
    parser.add_argument("--records", type=Path, help="each request, a line of JSON")
    return parser.parse_args()


async def main() -> None:
    """Load a gateway, then write what became of it."""
    options = _options()
    assert urlsplit(options.url).scheme == "https"
    trust = ssl.create_default_context(cafile=options.certificate)
    http = httpx2.AsyncClient(transport=_Resolved(options.address, verify=trust), timeout=REQUEST_S)
    client = openai.AsyncOpenAI(
        api_key=os.environ.get("OPENAI_API_KEY", "none"),
        base_url=f"{options.url}/v1",
        http_client=http,
        max_retries=0,
    )
    load = Load(client, options.model, options.max_tokens, options.pause_s, options.extra,
                options.requests)  # fmt: skip
    started = time.time()
    await load.run(options.streams, options.plain, options.seconds)
    await client.close()
    options.out.write_text(json.dumps(summary(load.records, started, time.time()), indent=1))
    if options.records:
        options.records.write_text("".join(json.dumps(vars(r)) + "\n" for r in load.records))


if __name__ == "__main__":
    asyncio.run(main())
