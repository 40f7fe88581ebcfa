"""Which keys of a service an engine understands: the common ones, and what it says it can do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rackwright.errors import nearest

if TYPE_CHECKING:
    from rackwright.engines.protocol import Engine
    from rackwright.spec import ServiceSpec

COMMON_KEYS = frozenset(
    (
        # the plan is made from these, whatever the engine
        *("name", "engine", "servers", "replicas", "gpus", "port", "objective", "concurrency"),
        # every engine is told these: limits of one replica, and the name it serves
        *("max_model_len", "max_num_seqs", "gpu_memory_utilization", "kv_cache_dtype"),
        *("served_model_name",),
        # which weights; the rules of the inventory say which of them an engine loads
        *("model", "revision", "path", "gguf"),
        # the gateway reads these; no engine is told
        *("aliases", "host_names", "browser_origins", "sticky", "queue", "overflow"),
        # how its replicas are changed
        "rollout",
    )
)
"""Keys of a service that mean something with every engine. All others are understood by those that
have an option with that key, or a split that it asks for."""


def understood_keys(engine: Engine) -> frozenset[str]:
    """The keys of a service that an engine understands. One without options takes no flags."""
    carried = {option.key for option in engine.options if option.key}
    able = {"extra_args": engine.options, "router": engine.routers}
    own = {key for key, ways in able.items() if ways}
    return COMMON_KEYS | engine.splits.keys | carried | own


def service_faults(engine: Engine, service: ServiceSpec) -> Iterator[tuple[str, str]]:
    """Key and rule for each key of a service that its engine does not understand."""
    for key in sorted(service.model_fields_set - understood_keys(engine)):
        yield key, f"must be left out, engine {engine.name} has no such thing"
    allowed = engine.kv_cache_dtypes
    if service.kv_cache_dtype not in allowed:
        yield "kv_cache_dtype", f"must be one of {', '.join(allowed)} with engine {engine.name}"
    if engine.routers and service.router not in (None, *engine.routers):
        yield "router", nearest(str(service.router), engine.routers, "router")
    if not (engine.predicts or isinstance(service.objective, str)):
        rule = f"must be latency or throughput, the speed of engine {engine.name} is not predicted"
        yield "objective", rule
