"""Stands in for an engine: answers completions at a speed of its own, and keeps a journal of them.

`python stand_in_engine.py PORT TOKENS_PER_S JOURNAL`. The journal has a line for each request that
came whole and another when it was answered to the end, written at once: it outlives a kill.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any, TextIO

KEEP_ALIVE_S = 5
"""As the engines' own servers have it: the gateway's must be shorter."""
FIRST_TOKEN_S = 0.03


class StandInEngine:
    """What vLLM answers, as far as a gateway and its clients ask."""

    def __init__(self, tokens_per_s: float, journal: TextIO) -> None:
        self.tokens_per_s, self.journal = tokens_per_s, journal

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The requests of a connection, one after the other."""
        try:
            while request := await _request(reader):
                await self._answer(*request, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass  # whoever asked has gone
        finally:
            writer.close()

    async def _answer(
        self, path: str, request_id: str, body: bytes,
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
    ) -> None:  # fmt: skip
        if not body:
            return await _say(writer, b"{}")
        asked = json.loads(body)
        prompt = sum(len(message["content"]) for message in asked["messages"]) // 4 + 1
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": asked["max_tokens"],
            "total_tokens": prompt + asked["max_tokens"],
            "prompt_tokens_details": {"cached_tokens": prompt // 2},
        }
        self._note("begun", request_id, asked, usage)
        if asked.get("stream"):
            whole = await self._stream(asked, usage, reader, writer)
        else:
            whole = await self._complete(asked, usage, reader, writer)
        self._note("answered" if whole else "hung up", request_id, asked, usage)

    def _note(self, event: str, request_id: str, asked: Any, usage: Any) -> None:
        said = {"event": event, "id": request_id, "client": asked.get("user"), "usage": usage}
        self.journal.write(
            json.dumps({**said, "time": time.time(), "model": asked["model"]}) + "\n"
        )
        self.journal.flush()

    async def _complete(
        self, asked: Any, usage: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if not await self._think(FIRST_TOKEN_S + asked["max_tokens"] / self.tokens_per_s, reader):
            return False
        message = {"role": "assistant", "content": "blue " * asked["max_tokens"]}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        said = {"object": "chat.completion", "model": asked["model"], "choices": choices}
        await _say(writer, json.dumps({**said, "usage": usage}).encode())
        return True

    async def _stream(
        self, asked: Any, usage: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
        said = {"object": "chat.completion.chunk", "model": asked["model"]}
        for token in range(asked["max_tokens"]):
            if not await self._think(1 / self.tokens_per_s + FIRST_TOKEN_S * (not token), reader):
                return False
            if not token:
                writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            await _event(writer, {**said, "choices": [{"index": 0, "delta": {"content": "blue "}}]})
        if (asked.get("stream_options") or {}).get("include_usage"):
            await _event(writer, {**said, "choices": [], "usage": usage})
        await _event(writer, "[DONE]")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _think(self, seconds: float, reader: asyncio.StreamReader) -> bool:
        """False when whoever asked has gone meanwhile."""
        await asyncio.sleep(seconds)
        return not reader.at_eof()


async def _request(reader: asyncio.StreamReader) -> tuple[str, str, bytes] | None:
    """Path, id and body; None when no more comes."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), KEEP_ALIVE_S)
    except (asyncio.IncompleteReadError, TimeoutError):
        return None
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    body = await reader.readexactly(int(headers.get("content-length") or 0))
    return first.split(" ")[1], headers.get("x-request-id", ""), body


async def _say(writer: asyncio.StreamWriter, body: bytes) -> None:
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()


async def _event(writer: asyncio.StreamWriter, said: Any) -> None:
    text = said if isinstance(said, str) else json.dumps(said)
    line = f"data: {text}\n\n".encode()
    writer.write(b"%x\r\n%s\r\n" % (len(line), line))
    await writer.drain()


async def main(port: int, tokens_per_s: float, journal: str) -> None:
    """Serve until ended."""
    with open(journal, "a") as lines:  # noqa: PTH123
        engine = StandInEngine(tokens_per_s, lines)
        server = await asyncio.start_server(engine.serve, "127.0.0.1", port, backlog=1024)
        async with server:
            await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]))
