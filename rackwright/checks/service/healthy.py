"""A service of two replicas behind a gateway, on which all is well; and of a router beside them."""

from __future__ import annotations

from typing import Any

from rackwright.checks.check import Sample
from rackwright.checks.planned import PlannedRouter, PlannedService
from rackwright.checks.replica.healthy import COMPLETION, MODELS, answer


def by(name: str | None, **changed: Any) -> dict[str, Any]:
    """A completion through the gateway, and the replica that gave it."""
    return answer({**COMPLETION, **changed}, replica=name)


FIRST, SECOND = (
    {"name": f"chat-gpu{number}-0", "host": f"192.0.2.1{number}", "port": 8000} for number in (1, 2)
)
"""As the gateway's data name the two."""
SERVICE = Sample(
    PlannedService(
        name="chat",
        host="gw1",
        server_name="llm.example.com",
        served_model_name="llama",
        replicas=("chat-gpu1-0", "chat-gpu2-0"),
        engine="vllm",
        addresses=("192.0.2.11:8000", "gpu2:8000"),
        connections=4096,
        router=PlannedRouter("vllm-router", "rackwright-router-chat.service", 2),
    ),
    {
        "unit": {"ActiveState": "active"},
        "configuration": {
            "ok": True,
            "words": "",
            "limits": {"worker_connections": 4096},
            "changed_unix_s": 1000.0,
        },
        "data": {"sha256": "ab" * 32, "services": {"chat": {"replicas": [FIRST, SECOND]}}},
        "live": {
            "loaded": {"fleet": "ab" * 32},
            "services": {
                "chat": {"replicas": {one["name"]: {"state": "in"} for one in (FIRST, SECOND)}}
            },
        },
        "loaded_unix_s": 1000.5,
        "worker_open_files": 8192,
        "names": {"gpu2": {"addresses": ["192.0.2.12"]}},
        "services": {
            "chat": {
                "models": answer(MODELS),
                "completions": [by("chat-gpu1-0"), by("chat-gpu2-0")],
            }
        },
        "routers": {
            "chat": {
                "unit": {"ActiveState": "active"},
                "readiness": answer({"healthy_workers": 2, "total_workers": 2}),
            }
        },
        "closed_path": {"status": 404, "body": {}},
    },
)
