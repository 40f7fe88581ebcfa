"""Requests to the lab's gateway, and which replica answered them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx

from lab.ask import client, question


def ask_many(count: int, at_once: int) -> list[str]:
    """Names of the replicas that answered ``count`` requests; every one must be answered.

    Each thread has a connection of its own: of several that wait for answers on one of httpx's for
    HTTP/2, one can wait on after its answer came, until the gateway closes what is idle.
    """
    shares = (range(first, count, at_once) for first in range(at_once))
    with ThreadPoolExecutor(at_once) as pool:
        return [name for names in pool.map(ask_in_turn, shares) for name in names]


def ask_in_turn(share: range) -> list[str]:
    with client() as http:
        return [ask_one(http) for _ in share]


def ask_one(http: httpx.Client) -> str:
    response = http.post("/v1/chat/completions", json=question("hello", max_tokens=4))
    assert response.status_code == 200, response.text
    return response.headers["X-Rackwright-Replica"]
