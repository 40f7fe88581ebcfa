"""How late tokens are that come one by one: each says when it was written, on the same clock."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import statistics
import time
from typing import Any

from benchmarks.gateway.doors import Door
from lab.errors import LabError

_WRITTEN = re.compile(rb'"content":\s*"(\d+\.\d+) "')
LIMIT_S = 60


def token_delays(
    door: Door, streams: int = 4, tokens: int = 100, pause_ms: int = 10
) -> dict[str, Any]:
    """A row: ms from a request to its first token, and from each token's writing to here."""
    first_ms, delays_ms = asyncio.run(_all(door, streams, tokens, pause_ms))
    return {
        "door": door.name,
        "load": "tokens",
        "first_token_ms": round(statistics.median(first_ms), 4),
        "p50_ms": round(statistics.median(delays_ms), 4),
        "p99_ms": round(statistics.quantiles(delays_ms, n=100)[98], 4),
    }


async def _all(
    door: Door, streams: int, tokens: int, pause_ms: int
) -> tuple[list[float], list[float]]:
    first_ms: list[float] = []
    delays_ms: list[float] = []
    asked = (_stream(door, tokens, pause_ms, first_ms, delays_ms) for _ in range(streams))
    await asyncio.wait_for(asyncio.gather(*asked), LIMIT_S)
    return first_ms, delays_ms


async def _stream(
    door: Door, tokens: int, pause_ms: int, first_ms: list[float], delays_ms: list[float]
) -> None:
    context = ssl.create_default_context() if door.tls else None
    if context:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port, ssl=context)
    sent = time.monotonic()
    writer.write(_request(door, tokens, pause_ms))
    seen, rest = 0, b""
    while piece := await reader.read(65536):
        now, rest = time.monotonic(), rest + piece
        for match in _WRITTEN.finditer(rest):
            if not seen:
                first_ms.append(1e3 * (now - sent))
            seen += 1
            delays_ms.append(1e3 * (now - float(match[1])))
        rest = rest[rest.rfind(b"\n") + 1 :]
    writer.close()
    if seen != tokens:
        raise LabError(f"{door.name}: {seen} of {tokens} tokens came of a stream")


def _request(door: Door, tokens: int, pause_ms: int) -> bytes:
    message = [{"role": "user", "content": "What is the colour of the sky?"}]
    asked = {"model": "chat", "messages": message, "stream": True}
    body = json.dumps({**asked, "max_tokens": tokens, "seed": pause_ms}).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Bearer {door.key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
