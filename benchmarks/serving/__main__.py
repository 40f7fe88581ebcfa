"""Tokens a second of engines that run, as rows of ``measured.json``.

    python -m benchmarks.serving 127.0.0.1:8000 127.0.0.1:8001

Each address is a replica of one service; requests go to them in turn: 512 random tokens in, 128
out, streamed, at 1, 64 and 256 at once. Replicas that are in use by others are slowed down.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import httpx

from benchmarks.serving.load import Endpoint, load

CONCURRENCIES = (1, 64, 256)
VOCABULARY = 32000
"""Every vocabulary of the catalog has as many tokens."""


def measure(
    endpoints: Sequence[Endpoint], concurrencies: Sequence[int], limit_s: float
) -> list[dict[str, Any]]:
    """A row for each concurrency; what is not done within ``limit_s`` of all is left out."""
    until, rows = time.monotonic() + limit_s, []
    for concurrency in concurrencies:
        if (left_s := until - time.monotonic()) > 0:
            rows.append(load(endpoints, concurrency, left_s))
    return rows


def served_model(address: str) -> str:
    """The name that an engine serves its model by."""
    answer = httpx.get(f"http://{address}/v1/models", timeout=10).raise_for_status()
    return str(answer.json()["data"][0]["id"])


def _endpoint(address: str, vocabulary: int) -> Endpoint:
    host, _, port = address.rpartition(":")
    return Endpoint(host, int(port), served_model(address), vocabulary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("addresses", nargs="+", metavar="HOST:PORT")
    parser.add_argument("--concurrency", type=int, nargs="+", default=list(CONCURRENCIES))
    parser.add_argument("--vocabulary", type=int, default=VOCABULARY, help="tokens the model knows")
    parser.add_argument("--limit-s", type=float, default=60, help="of all loads together")
    given = parser.parse_args()
    try:
        endpoints = [_endpoint(address, given.vocabulary) for address in given.addresses]
    except (httpx.HTTPError, ValueError) as error:
        parser.error(f"no engine answers there: {error}")
    rows = measure(endpoints, given.concurrency, given.limit_s)
    print(json.dumps({"replicas": len(endpoints), "load": rows}))


if __name__ == "__main__":
    main()
