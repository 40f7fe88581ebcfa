"""vLLM's router from the data of the gateway."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.engines import ENGINES
from rackwright.engines.endpoints import ENDPOINTS
from rackwright.routers import ROUTERS, RouterKind
from rackwright.routers.vllm_router import VLLM_ROUTER

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
    assert " ".join(VLLM_ROUTER.argv(SERVICE, 8300, 8301)) == (
        "--host 127.0.0.1 --port 8300 --prometheus-host 127.0.0.1 --prometheus-port 8301 "
        "--policy cache_aware --disable-retries "
        "--health-check-endpoint /health --health-check-interval-secs 2 "
        "--health-success-threshold 1 "
        "--worker-startup-timeout-secs 31536000 --worker-startup-check-interval 1 "
        "--max-concurrent-requests 320 "
        "--worker-urls http://192.0.2.11:8000 http://[2001:db8::2]:8001"
    )


@pytest.mark.parametrize(("sticky", "policy"), [(True, "cache_aware"), (False, "power_of_two")])
def test_the_policy_follows_the_service(sticky: bool, policy: str) -> None:
    assert policy in VLLM_ROUTER.argv({**SERVICE, "sticky": sticky}, 8300, 8301)


@pytest.mark.parametrize(
    ("body", "counted"),
    [
        ({"status": "ready", "healthy_workers": 1, "total_workers": 2}, (1, 2)),
        ({"status": "not_ready", "reason": "no healthy workers available", "total_workers": 2},
         (0, 2)),
        ({"status": "ready"}, None),
        ("OK", None),
        (None, None),
    ],
)  # fmt: skip
def test_what_it_says_of_its_replicas_is_read(body: Any, counted: tuple[int, int] | None) -> None:
    assert VLLM_ROUTER.readiness(body) == counted


def test_engines_name_routers_that_are_there() -> None:
    named = {name for engine in ENGINES.values() for name in engine.routers}
    assert named == set(ROUTERS)


@pytest.mark.parametrize("router", ROUTERS.values(), ids=list(ROUTERS))
def test_a_router_passes_on_paths_that_clients_may_ask_for(router: RouterKind) -> None:
    assert set(router.paths) <= set(ENDPOINTS)
    for engine in ENGINES.values():
        if router.name in engine.routers:
            assert set(router.paths) <= set(engine.paths)
