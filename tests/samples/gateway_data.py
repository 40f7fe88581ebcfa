"""Small fleets as the gateway's Lua has them: fleet.json and keys.json as values."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

PROMPTS = {
    "/v1/chat/completions": ["messages"],
    "/v1/completions": ["prompt"],
    "/v1/embeddings": ["input"],
    "/v1/messages": ["system", "messages"],
}
ENDPOINTS: dict[str, dict[str, Any]] = {
    **{
        path: {
            "method": "POST",
            "body": "json",
            "prompt": prompt,
            "api": "anthropic" if path == "/v1/messages" else "openai",
            "usage_option": path.endswith("completions"),
        }
        for path, prompt in PROMPTS.items()
    },
    "/v1/audio/transcriptions": {
        "method": "POST",
        "body": "multipart",
        "prompt": [],
        "api": "openai",
        "usage_option": False,
    },
}


def service(name: str, ports: Sequence[int], *, slots: int = 4, **more: Any) -> dict[str, Any]:
    """A service with a replica on each port of loopback: chat-a-0, chat-b-0, ..."""
    canary = {"model": name, "max_tokens": 1, "messages": [{"role": "user", "content": "canary"}]}
    return {
        "model": name,
        "aliases": [],
        "adapters": [],
        "context": 4096,
        "created": 1790000000,
        "paths": list(ENDPOINTS),
        "health": "/health",
        "canary": {"path": "/v1/chat/completions", "body": canary},
        "usage_in_streams": "ask",
        "sticky": True,
        "origins": [],
        "queue": {"length": 0, "wait_s": 0},
        "overflow": None,
        "replicas": [
            {
                "name": f"{name}-{letter}-0",
                "host": "127.0.0.1",
                "port": port,
                "slots": slots,
                "weight": 1.0,
            }
            for letter, port in zip("abcdefgh", ports, strict=False)
        ],
        **more,
    }


def fleet(services: dict[str, dict[str, Any]], **more: Any) -> dict[str, Any]:
    """Of a gateway that asks for no keys, unless ``more`` says otherwise."""
    return {
        "format": 1,
        "gateway": "gw1",
        "keys_required": False,
        "default": None,
        "endpoints": ENDPOINTS,
        "hosts": {},
        "services": services,
        **more,
    }


def key(secret: str, client: str, **limits: Any) -> dict[str, Any]:
    """A client's key, as the gateway has it."""
    return {"sha256": hashlib.sha256(secret.encode()).hexdigest(), "client": client, **limits}
