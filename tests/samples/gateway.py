"""Requests to the lab's gateway, and which replica answered them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx

from lab.ask import client, question


def ask_many(count: int, at_once: int) -> list[str]:
    """Names of the replicas that answered ``count`` requests; every one must be answered."""
    with client() as http, ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda _: ask_one(http), range(count)))


def ask_one(http: httpx.Client) -> str:
    response = http.post("/v1/chat/completions", json=question("hello", max_tokens=4))
    assert response.status_code == 200, response.text
    return response.headers["X-Rackwright-Replica"]
