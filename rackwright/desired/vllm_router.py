"""Another router behind the gateway, from the same data: vLLM's, where a fleet outgrows the Lua.

The gateway stays the door (TLS, keys, limits, usage); for one service it has a single replica, the
router, which chooses among the real ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HEALTH_S = 5
"""Between the router's looks at a replica: with three failures in a row it is out after 15 s."""


def vllm_router_arguments(service: Mapping[str, Any], port: int) -> tuple[str, ...]:
    """Arguments of ``vllm-router`` 0.1 for a service, as ``fleet.json`` has it.

    It never sends a request twice, as the gateway does not. Sticky, it takes the replica that has
    most of the prompt, whose tokens it has the engine count first (``/render``: real vLLM alone
    answers that); else the less busy of two.
    """
    urls = (f"http://{one['host']}:{one['port']}" for one in service["replicas"])
    return (
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--policy", "cache_aware" if service["sticky"] else "power_of_two"),
        "--disable-retries",
        *("--health-check-endpoint", service["health"]),
        *("--health-check-interval-secs", str(HEALTH_S)),
        *("--max-concurrent-requests", str(_slots(service))),
        *("--worker-urls", *urls),
    )


def behind_router(service: Mapping[str, Any], name: str, port: int) -> dict[str, Any]:
    """The service's entry of ``fleet.json`` on a gateway whose router listens at that port."""
    router = {
        "name": name,
        "host": "127.0.0.1",
        "port": port,
        "slots": _slots(service),
        "weight": 1,
    }
    return {**service, "sticky": False, "replicas": [router]}


def _slots(service: Mapping[str, Any]) -> int:
    return sum(replica["slots"] for replica in service["replicas"])
