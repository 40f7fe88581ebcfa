"""vLLM's router from the data of the gateway."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.desired.vllm_router import behind_router, vllm_router_arguments

SERVICE: dict[str, Any] = {
    "model": "chat",
    "health": "/health",
    "sticky": True,
    "replicas": [
        {"name": "chat-gpu1-0", "host": "192.0.2.11", "port": 8000, "slots": 256, "weight": 1.0},
        {"name": "chat-gpu2-0", "host": "[2001:db8::2]", "port": 8001, "slots": 64, "weight": 0.3},
    ],
}


def test_arguments_name_every_replica_and_forbid_a_second_try() -> None:
    assert " ".join(vllm_router_arguments(SERVICE, 8300)) == (
        "--host 127.0.0.1 --port 8300 --policy cache_aware --disable-retries "
        "--health-check-endpoint /health --health-check-interval-secs 5 "
        "--max-concurrent-requests 320 "
        "--worker-urls http://192.0.2.11:8000 http://[2001:db8::2]:8001"
    )


@pytest.mark.parametrize(("sticky", "policy"), [(True, "cache_aware"), (False, "power_of_two")])
def test_the_policy_follows_the_service(sticky: bool, policy: str) -> None:
    assert policy in vllm_router_arguments({**SERVICE, "sticky": sticky}, 8300)


def test_the_gateway_has_the_router_as_the_only_replica() -> None:
    behind = behind_router(SERVICE, "chat-router", 8300)
    assert behind["replicas"] == [
        {"name": "chat-router", "host": "127.0.0.1", "port": 8300, "slots": 320, "weight": 1}
    ]
    assert {**behind, "sticky": True, "replicas": SERVICE["replicas"]} == SERVICE
