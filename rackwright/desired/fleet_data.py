"""What a gateway decides by, as data: the plan's services and replicas in one JSON file.

The Lua is the same on every gateway; this is read again without a reload of Nginx.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from rackwright.desired.addresses import ip_of
from rackwright.engines import ENGINES
from rackwright.engines.endpoints import ENDPOINTS
from rackwright.plan import Replica, Router, Upstream
from rackwright.planning.loads import TYPICAL
from rackwright.routers import ROUTERS
from rackwright.spec import GatewaySpec, OverflowSpec, ServiceSpec, Settings, Target

FORMAT = 1
NO_WATCHDOGS: Mapping[str, int] = MappingProxyType({})
NO_KEYS: Mapping[str, str] = MappingProxyType({})
CREATED_UNIX_S = 1_790_000_000
"""What lists of models say of each. Any time would do; that of a deploy would make each one other
data."""
ROUTER_HOST = "127.0.0.1"
"""Where routers listen: gateways alone ask them."""
_TYPICAL_TOKENS = TYPICAL.input_tokens + TYPICAL.output_tokens


def fleet_data(
    gateway: GatewaySpec,
    upstreams: Sequence[Upstream],
    settings: Settings,
    resolved: Mapping[str, str],
    watchdogs: Mapping[str, int] = NO_WATCHDOGS,
    routers: Sequence[Router] = (),
    key_ids: Mapping[str, str] = NO_KEYS,
) -> bytes:
    """The file for one gateway: the same bytes for the same plan.

    ``resolved`` has the IP address of each server that is declared by name, ``watchdogs`` the port
    of each server's watchdog that has one; ``routers`` are the gateway's, each the only one of its
    service that requests are sent to there. ``key_ids`` says which of the engines' keys each
    replica has, by name.
    """
    data: dict[str, Any] = {
        "format": FORMAT,
        "gateway": gateway.name.removeprefix("@"),
        "keys_required": bool(gateway.ask_keys),
        "default": gateway.default,
        "endpoints": {path: asdict(endpoint) for path, endpoint in ENDPOINTS.items()},
        "hosts": {
            name.lower(): upstream.service.name
            for upstream in upstreams
            for name in upstream.service.host_names
        },
        "services": {
            upstream.service.name: service_data(upstream, settings, resolved, watchdogs, key_ids)
            for upstream in upstreams
        },
    }
    services: dict[str, Any] = data["services"]
    services |= {one.service.name: _behind(one, services[one.service.name]) for one in routers}
    return (json.dumps(data, indent=1) + "\n").encode()


def service_data(
    upstream: Upstream,
    settings: Settings,
    resolved: Mapping[str, str],
    watchdogs: Mapping[str, int] = NO_WATCHDOGS,
    key_ids: Mapping[str, str] = NO_KEYS,
) -> dict[str, Any]:
    """A service's entry of the file, with its own replicas."""
    service, engine = upstream.service, ENGINES[upstream.service.engine]
    (first, *_) = upstream.replicas
    return {
        "model": service.served_as,
        "aliases": service.aliases,
        "adapters": list(service.adapters),
        "context": service.max_model_len,
        "created": CREATED_UNIX_S,
        "paths": engine.paths_of(service.shape_of(first.model), first.task),
        "health": engine.health_path,
        "canary": engine.canary(service, first.task)._asdict(),
        "usage_in_streams": "ask" if engine.usage_in_streams else "never",
        "connection": "keep" if engine.keeps_connections else "close",
        "sticky": service.sticky,
        "origins": service.browser_origins,
        "queue": queue_of(service, settings),
        "replicas": replica_entries(upstream, resolved, watchdogs, key_ids),
        "overflow": _overflow(service.overflow),
    }


def _behind(router: Router, service: Mapping[str, Any]) -> dict[str, Any]:
    """A service's entry where one router has all its requests: what it passes on, to where.

    ``behind`` are its own replicas, of which the gateway tells the router who is in.
    """
    replica = {
        "name": router.name,
        "host": ROUTER_HOST,
        "port": router.port,
        "slots": sum(one["slots"] for one in service["replicas"]),
        "weight": 1.0,
    }
    kind = ROUTERS[router.kind]
    return {
        **service,
        "paths": [path for path in service["paths"] if path in kind.paths],
        "sticky": False,
        "replicas": [replica],
        "behind": service["replicas"],
        "router": kind.membership._asdict(),
    }


def queue_of(service: ServiceSpec, settings: Settings) -> dict[str, int]:
    """How many requests of a service may wait, and for how long: its own, or group data's."""
    own = service.queue
    return {
        "length": settings.queue_length if own.length is None else own.length,
        "wait_s": settings.queue_wait_s if own.wait_s is None else own.wait_s,
    }


def replica_entries(
    upstream: Upstream,
    resolved: Mapping[str, str],
    watchdogs: Mapping[str, int],
    key_ids: Mapping[str, str] = NO_KEYS,
) -> list[dict[str, Any]]:
    """A service's replicas as a gateway knows them, with ``host`` as an URL has it.

    Where each one's speed is predicted, it is the weight. ``watchdogs`` are ports by server.
    """
    replicas = upstream.replicas
    timed = all(replica.speeds for replica in replicas)
    powers = [replica.speeds[-1].out_tok_s if timed else slots(replica) for replica in replicas]
    return [
        {
            "name": replica.name,
            "host": ip_of(replica.server.address, resolved),
            "port": replica.port,
            "slots": slots(replica),
            "weight": round(power / max(powers), 3),
            **({"key": key_ids[replica.name]} if key_ids.get(replica.name) else {}),
            **_watch(replica, resolved, watchdogs),
        }
        for replica, power in zip(replicas, powers, strict=True)
    ]


def _watch(
    replica: Replica, resolved: Mapping[str, str], watchdogs: Mapping[str, int]
) -> dict[str, Any]:
    """Where the watchdog of its server says how it is."""
    port = watchdogs.get(replica.server.name)
    host = ip_of(replica.server.address, resolved)
    return {} if port is None else {"watch": {"host": host, "port": port}}


def slots(replica: Replica) -> int:
    """How many requests a replica takes at once: as busy as the plan says that it can be.

    With a target so many as it was planned for, since more are slower than it allows. Else what
    the engine runs at most, and of typical requests no more than its KV cache holds, if it has one.
    """
    most = replica.most_requests
    if isinstance(replica.service.objective, Target) and replica.speeds:
        return min(most, replica.speeds[-1].concurrency)
    if ENGINES[replica.service.engine].serves_gguf:
        return most  # each slot has its own cache
    if not replica.memory.has_cache:
        return most
    if replica.task == "transcription":  # whatever is said, a request keeps a whole sound
        return max(1, min(most, replica.memory.sequences))
    tokens = min(_TYPICAL_TOKENS, replica.limits.max_model_len)
    return max(1, min(most, replica.memory.kv_cache_tokens // tokens))


def _overflow(overflow: OverflowSpec | None) -> dict[str, Any] | None:
    """Its key is no part of this: it is in a file of root's."""
    if overflow is None:
        return None
    url = urlsplit(overflow.url)
    return {
        "host": url.hostname,
        "port": url.port or 443,
        "prefix": url.path,
        "model": overflow.model,
        "in_flight": overflow.in_flight,
        "requests_a_day": overflow.requests_a_day,
        "tokens_a_day": overflow.tokens_a_day,
        "scheme": "bearer",
    }
