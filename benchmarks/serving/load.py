"""So many requests at once, of random tokens, and what they got: rows of ``measured.json``."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, NamedTuple

from benchmarks.serving.streams import Answer, Request, ask

TOKENS_IN, TOKENS_OUT = 512, 128
"""As every row of tests/data was measured."""
PROCESSES = min(8, os.cpu_count() or 1)
LOWEST_TOKEN = 1000
"""Below it are bytes and tokens with a meaning of their own, in the vocabularies that there are."""
IN_A_ROW = 3
"""How often one request alone is asked; many at once are asked once, after a warm-up."""


class Endpoint(NamedTuple):
    """Where an engine listens, the name it serves, and the tokens it knows."""

    host: str
    port: int
    model: str
    vocabulary: int


def load(endpoints: Sequence[Endpoint], concurrency: int, limit_s: float) -> dict[str, Any]:
    """The speed of that many requests sent at once, in turn to each endpoint.

    A first round warms up: kernels that are compiled for a size are compiled in it. Both together
    end within ``limit_s`` seconds. ``error`` and how many there were stand beside the figures.
    """
    until = time.monotonic() + limit_s
    _rounds(endpoints, concurrency, 1, until)
    times = IN_A_ROW if concurrency == 1 else 1
    return row(concurrency, _rounds(endpoints, concurrency, times, until))


def _rounds(
    endpoints: Sequence[Endpoint], concurrency: int, times: int, until: float
) -> list[list[Answer]]:
    return [_round(endpoints, concurrency, until - time.monotonic()) for _ in range(times)]


def _round(endpoints: Sequence[Endpoint], concurrency: int, limit_s: float) -> list[Answer]:
    requests = [_request(endpoints[n % len(endpoints)]) for n in range(concurrency)]
    shares = [requests[n::PROCESSES] for n in range(min(PROCESSES, concurrency))]
    start = time.monotonic() + 0.3  # all processes are up by then, and their messages written
    with ProcessPoolExecutor(len(shares)) as side_by_side:
        asked = [side_by_side.submit(ask, share, max(1.0, limit_s), start) for share in shares]
        return [answer for each in asked for answer in each.result()]


def _request(endpoint: Endpoint) -> Request:
    """Of tokens that no other request has: what an engine remembers of others does not help."""
    lowest = min(LOWEST_TOKEN, endpoint.vocabulary // 2)
    prompt = [random.randrange(lowest, endpoint.vocabulary) for _ in range(TOKENS_IN)]
    return Request(endpoint.host, endpoint.port, endpoint.model, prompt, TOKENS_OUT)


def row(concurrency: int, rounds: Iterable[Sequence[Answer]]) -> dict[str, Any]:
    """Figures of rounds that followed one another; those of failed requests are not counted."""
    rounds = [list(answers) for answers in rounds]
    good = [answer for answers in rounds for answer in answers if not answer.error]
    errors = [answer.error for answers in rounds for answer in answers if answer.error]
    found: dict[str, Any] = {"concurrency": concurrency}
    if good:
        elapsed_s = sum(_elapsed_s(answers) for answers in rounds)
        found |= {
            "out_tok_s": round(sum(answer.tokens for answer in good) / elapsed_s, 1),
            "ttft_ms": round(1e3 * statistics.median(answer.ttft_s for answer in good), 1),
            "tpot_ms": round(1e3 * statistics.median(answer.tpot_s for answer in good), 2),
        }
    return found | ({"errors": len(errors), "error": errors[0]} if errors else {})


def _elapsed_s(answers: Sequence[Answer]) -> float:
    """From the first request sent to the last token of all."""
    good = [answer for answer in answers if not answer.error]
    if not good:
        return 0.0
    return max(answer.last for answer in good) - min(answer.sent for answer in good)
