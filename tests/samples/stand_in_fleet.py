"""A fleet of stand-ins for engines behind one gateway, and clients that it knows: for real clients.

``chat`` has two replicas and everything that makes text, ``pool`` embeds and ranks, ``voice`` hears
and paints; ``slow`` has two places in all, and lets others wait.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lab.local_gateway import LocalGateway, wait_until
from tests.nginx.stand_in_api import Reached, StandIn

ENGINE_KEY = "the-engine-s-own-key"
TEXT = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/tokenize",
    "/detokenize",
)
POOL = ("/v1/embeddings", "/v1/rerank", "/v1/score", "/tokenize")
VOICE = ("/v1/audio/transcriptions", "/v1/images/generations")
PROMPTS = {
    "/v1/chat/completions": ["messages"],
    "/v1/completions": ["prompt"],
    "/v1/responses": ["instructions", "input"],
    "/v1/messages": ["system", "messages"],
    "/v1/embeddings": ["input"],
}
FORMS = ("/v1/audio/transcriptions",)
BLUE, APP = "blue.example", "https://app.example"
"""A host name of ``chat``'s own, and an origin that may ask it from a browser."""

CLIENTS: dict[str, dict[str, Any]] = {
    "alice": {},
    "pooler": {"models": ["pool"]},
    "aliased": {"models": ["gpt-4o"]},
    "adapted": {"models": ["org/sql"]},
    "expired": {"expires_at": 1_700_000_000},
    "hurried": {"requests_a_minute": 3},
    "wordy": {"tokens_a_minute": 20},
    "narrow": {"in_flight": 1},
    "poor": {"tokens_a_month": 20},
    "streaming": {"tokens_a_month": 1000},
    "patient": {"class": "batch"},
    "carol": {},
    "guest": {"models": ["gpt-4o", "whisper-1"]},
    "counted": {},
}

PLENTY = 64
"""Slots of a replica: more than are asked for at once, for one is given back behind the answer."""


def endpoint(path: str) -> dict[str, Any]:
    return {
        "method": "POST",
        "body": "multipart" if path in FORMS else "json",
        "prompt": PROMPTS.get(path, []),
        "api": "anthropic" if path.startswith("/v1/messages") else "openai",
        "usage_option": path in ("/v1/chat/completions", "/v1/completions", *FORMS),
    }


def secret(client: str) -> str:
    """The key of a client, of the form that ``rackwright keys`` makes."""
    return "rw-" + hashlib.sha256(client.encode()).hexdigest()[:43]


def key(client: str, **limits: Any) -> dict[str, Any]:
    digest = hashlib.sha256(secret(client).encode()).hexdigest()
    return {"sha256": digest, "client": client, **limits}


def service(
    name: str, engines: list[StandIn], paths: tuple[str, ...], **more: Any
) -> dict[str, Any]:
    replicas = [
        {
            "name": f"{name}-gpu{number}-0",
            "host": "127.0.0.1",
            "port": engine.port,
            "slots": PLENTY,
            "weight": 1.0,
        }
        for number, engine in enumerate(engines, 1)
    ]
    message = {"role": "user", "content": "canary"}
    return {
        "model": name,
        "aliases": [],
        "adapters": [],
        "context": 1024,
        "created": 1_790_000_000,
        "paths": list(paths),
        "health": "/health",
        "canary": {
            "path": paths[0],
            "body": {"model": name, "max_tokens": 1, "messages": [message]},
        },
        "usage_in_streams": "ask",
        "sticky": True,
        "origins": [],
        "overflow": None,
        "queue": {"length": 0, "wait_s": 0},
        "replicas": replicas,
        **more,
    }


@dataclass
class StandInFleet:
    """The engines, by service."""

    engines: dict[str, list[StandIn]] = field(default_factory=dict)

    def start(self) -> StandInFleet:
        names = {
            "chat": ("chat", "org/sql"),
            "pool": ("pool",),
            "voice": ("voice", "org/ear"),
            "slow": ("slow",),
        }
        count = {"chat": 2}
        self.engines = {
            name: [StandIn(models).start() for _ in range(count.get(name, 1))]
            for name, models in names.items()
        }
        return self

    def stop(self) -> None:
        for engine in self.all():
            engine.stop()

    def all(self) -> list[StandIn]:
        return [one for engines in self.engines.values() for one in engines]

    def services(self) -> dict[str, Any]:
        chat = {"aliases": ["gpt-4o", "org/chat"], "adapters": ["org/sql"], "origins": [APP]}
        slow = service("slow", self.engines["slow"], TEXT, queue={"length": 16, "wait_s": 20})
        slow["replicas"][0]["slots"] = 1
        return {
            "chat": service("chat", self.engines["chat"], TEXT, **chat),
            "pool": service("pool", self.engines["pool"], POOL),
            "voice": service(
                "voice", self.engines["voice"], VOICE, aliases=["whisper-1"], adapters=["org/ear"]
            ),
            "slow": slow,
        }

    def fleet(self) -> dict[str, Any]:
        paths = dict.fromkeys((*TEXT, *POOL, *VOICE))
        return {
            "format": 1,
            "gateway": "gw1",
            "keys_required": True,
            "default": "chat",
            "endpoints": {path: endpoint(path) for path in paths},
            "hosts": {BLUE: "chat"},
            "services": self.services(),
        }

    def keys(self) -> dict[str, Any]:
        return {"format": 1, "keys": [key(name, **limits) for name, limits in CLIENTS.items()]}

    def behind(self, up: Callable[..., LocalGateway]) -> LocalGateway:
        """A gateway before them, of the fixture ``up``."""
        return up(
            self.fleet(),
            keys=self.keys(),
            host_names=("localhost", BLUE),
            secrets={"engine": ENGINE_KEY, "overflow": {}},
        )

    def forget(self) -> None:
        for engine in self.all():
            engine.forget()

    def reached(self) -> list[Reached]:
        """All that came to an engine, but for the gateway's own completions."""
        return [
            one for engine in self.all() for one in engine.record if "canary" not in str(one.asked)
        ]

    def the_one(self) -> Reached:
        """The only request, once its end is known."""
        (one,) = self.reached()
        wait_until(lambda: one.done or one.hung_up)
        return one
