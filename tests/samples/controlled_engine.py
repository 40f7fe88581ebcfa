"""Stands in for an engine behind the gateway: a test says how it behaves, and reads what came.

It answers health and completions; nothing is computed. A body may say how its answer goes:
``delay_s`` before it, ``events`` of a stream, ``gap_s`` between them, ``status``, ``die`` instead;
``passes`` is answered though the engine holds; a stream that is ``sized`` says its length.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
STREAM = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@dataclass
class Request:
    """What reached an engine."""

    line: str
    headers: dict[str, str]
    body: bytes
    hung_up: bool = False

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass
class ControlledEngine:
    """One engine on a port of loopback, in a thread of its own.

    ``mode``: "well", "errors" (500 to everything), "silent" (takes requests, answers none) or
    "stuck" (its health is well, and it completes nothing). ``key`` is asked of completions.
    ``holds``: it ends completions once it holds no more; a stream has all but its end by then.
    """

    mode: str = "well"
    delay_s: float = 0
    key: str = ""
    holds: bool = False
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0
    _loop: asyncio.AbstractEventLoop | None = None
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def posts(self) -> list[Request]:
        """The requests that were no looks at its health, nor the gateway's own completions."""
        return [
            one
            for one in self.requests
            if one.line.startswith("POST")
            and ("x-request-id" in one.headers or b"canary" not in one.body)
        ]

    @contextmanager
    def running(self) -> Iterator[ControlledEngine]:
        """The engine, up for the block."""
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()
        try:
            self.start()
            yield self
        finally:
            self.stop()
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def start(self) -> None:
        """Listen, on the port it had before."""
        self._call(self._start())

    def stop(self) -> None:
        """Close the port and every connection, as a process does that is killed."""
        self._call(self._stop())

    def _call(self, work: Any) -> None:
        assert self._loop
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, limit=2**26, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()
        serving = asyncio.all_tasks() - {asyncio.current_task()}
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                await self._one(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # its last step: nothing is left to be cancelled
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").strip().split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (h.partition(":") for h in lines)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        request = Request(line, headers, body)
        self.requests.append(request)
        if self.mode == "silent" or (self.mode == "stuck" and line.startswith("POST")):
            await reader.read()
            raise ConnectionError
        self.in_flight += line.startswith("POST")
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            try:
                last = await self._answer(request, writer)
            finally:  # before its last bytes go: who has them may ask again at once
                self.in_flight -= line.startswith("POST")
            writer.write(last)
            await writer.drain()
        except ConnectionError:
            request.hung_up = True
            raise
        if headers.get("connection") == "close":
            raise ConnectionError

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> bytes:
        """What ends the answer; what goes before it is written."""
        if self.mode == "errors":
            return _whole(500, {"error": {"message": "the engine's own"}})
        if request.line.startswith("GET"):
            return _whole(200, {})
        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return _whole(401, {"error": "Unauthorized"})
        how = json.loads(request.body) if request.body.lstrip().startswith(b"{") else {}
        await asyncio.sleep(how.get("delay_s", self.delay_s))
        if how.get("sized"):
            usage = json.dumps({"choices": [], "usage": {"prompt_tokens": 7}})
            return _whole(200, f"data: {usage}\n\ndata: [DONE]\n\n", "text/event-stream")
        if how.get("stream"):
            return await self._stream(writer, how)
        await self._let_go(writer, how)
        if how.get("die"):
            raise ConnectionError
        answer = {
            "model": how.get("model"),
            "choices": [{"message": {"content": "hi"}}],
            "usage": how.get("usage", {"prompt_tokens": 10, "completion_tokens": 2}),
        }
        if request.body.startswith(b"--"):  # a form: what is said in a sound of three seconds
            answer = {"text": "", "usage": {"type": "duration", "seconds": 3}}
        return _whole(how.get("status", 200), answer)

    async def _stream(self, writer: asyncio.StreamWriter, how: dict[str, Any]) -> bytes:
        """As vLLM's: usage in an event of its own, and only for those who ask."""
        writer.write(STREAM.encode())
        count = how.get("events", 5)
        for number in range(count):
            _event(writer, json.dumps({"choices": [{"delta": {"content": f"t{number}"}}]}))
            await _written(writer)
            await asyncio.sleep(how.get("gap_s", 0.01))
        await self._let_go(writer, how)
        if (how.get("stream_options") or {}).get("include_usage"):
            details = {"cached_tokens": 3}
            usage = {"prompt_tokens": 7, "completion_tokens": count}
            usage = {**usage, "prompt_tokens_details": details}
            _event(writer, json.dumps({"choices": [], "usage": usage}))
        _event(writer, "[DONE]")
        return b"0\r\n\r\n"

    async def _let_go(self, writer: asyncio.StreamWriter, how: dict[str, Any]) -> None:
        while self.holds and not how.get("passes"):
            await _written(writer)
            await asyncio.sleep(0.01)


@contextmanager
def held(*engines: ControlledEngine) -> Iterator[None]:
    """They end no completion before the block is over, however long it lasts."""
    for engine in engines:
        engine.holds = True
    try:
        yield
    finally:
        for engine in engines:
            engine.holds = False


def _whole(status: int, value: Any, kind: str = JSON) -> bytes:
    body = (json.dumps(value) if kind == JSON else value).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _written(writer: asyncio.StreamWriter) -> None:
    await writer.drain()
    if writer.is_closing():
        raise ConnectionError


def _event(writer: asyncio.StreamWriter, data: str) -> None:
    event = f"data: {data}\n\n".encode()
    writer.write(b"%x\r\n%s\r\n" % (len(event), event))
