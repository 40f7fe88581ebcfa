"""Rules of services whose model answers with vectors, scores or transcripts: what others need."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.engines import ENGINES, Engine
from rackwright.errors import Fault
from rackwright.models.shape import Shape
from rackwright.models.spec import ModelSpec
from rackwright.models.tasks import (
    IN_WORDS,
    Task,
    keeps_tokens,
    reads_in_one_step,
    task_of,
    writes,
)
from rackwright.routers import ROUTERS
from rackwright.spec import ServiceSpec

_MORE = "more of it is done by replicas"


def task_faults(service: ServiceSpec, model: ModelSpec) -> Iterator[Fault]:
    """The engine serves such models, and nothing is asked that only those that write can do."""
    path, shape = f"services[{service.name}]", model.shape
    engine = ENGINES.get(service.engine)
    if shape.canvas:
        yield from _canvases(service, model)
    if engine is None:
        return
    if (own := task_of(shape)) and own not in engine.tasks:
        able = " or ".join(one.name for one in ENGINES.values() if own in one.tasks)
        rule = f"must be {able}: {model.name} answers with {IN_WORDS[own]}"
        yield Fault(f"{path}.engine", rule, service.engine)
        return
    for flag, rule in engine.task_faults(service, shape):
        yield Fault(f"{path}.extra_args.{flag}", rule, service.extra_args[flag])
    if task := engine.task(service, shape):
        yield from _of_task(service, engine, model, task)


def _of_task(service: ServiceSpec, engine: Engine, model: ModelSpec, task: Task) -> Iterator[Fault]:
    if service.overflow and not writes(task):
        rule = f"must be left out, another model's {IN_WORDS[task]} cannot stand in for its own"
        yield Fault(f"services[{service.name}].overflow", rule, service.overflow.model_dump())
    if task in engine.tasks:
        yield from _keys(service, model, task)
        yield from _router(service, engine, task)


def _canvases(service: ServiceSpec, model: ModelSpec) -> Iterator[Fault]:
    """It makes many tokens of an answer at once: no speed is known, and only ranks share it."""
    path = f"services[{service.name}]"
    if not isinstance(service.objective, str):
        rule = f"must be latency or throughput, how fast {model.name} writes is not predicted"
        yield Fault(f"{path}.objective", rule, service.objective.model_dump())
    asked: dict[str, object] = {
        "decode_context_parallel_size": _above_one(service.decode_context_parallel_size),
        "servers_per_replica": _above_one(service.servers_per_replica),
        "pipeline_parallel_size": _above_one(service.pipeline_parallel_size),
    }
    if model.shape.experts:
        asked["data_parallel_size"] = _above_one(service.data_parallel_size)
        asked["expert_parallel"] = service.expert_parallel
    for key, value in asked.items():
        if value:
            yield Fault(f"{path}.{key}", f"must be left out, {_MORE}", value)


def _keys(service: ServiceSpec, model: ModelSpec, task: Task) -> Iterator[Fault]:
    path = f"services[{service.name}]"
    if not isinstance(service.objective, str):
        rule = f"must be latency or throughput, {model.name} writes no tokens to be timed"
        if writes(task):
            rule = f"must be latency or throughput, how fast {model.name} hears is not predicted"
        yield Fault(f"{path}.objective", rule, service.objective.model_dump())
    for key, value, why in _unwanted(service, model.shape, task):
        if value:
            yield Fault(f"{path}.{key}", f"must be left out, {why}", value)
    if not writes(task) and reads_in_one_step(model.shape):
        yield from _keys_of_one_that_reads_at_once(service, model)


def _unwanted(service: ServiceSpec, shape: Shape, task: Task) -> Iterator[tuple[str, object, str]]:
    """Key, what it says (nothing where it is left out), and why that is nothing for such models.

    What no such model could do at all other rules say. Pages are what many make vectors of tokens
    of: their towers are planned as those of models that write.
    """
    what = IN_WORDS[task]
    yield "adapters", dict(service.adapters), f"adapters are for models that write, not {what}"
    if shape.experts:
        yield "data_parallel_size", _above_one(service.data_parallel_size), _MORE
        yield "expert_parallel", service.expert_parallel, _MORE
    yield "decode_context_parallel_size", _above_one(service.decode_context_parallel_size), _MORE
    yield "servers_per_replica", _above_one(service.servers_per_replica), _MORE
    if shape.tower and task != "token_embed":
        yield "images", service.images, f"only text is made {what} of yet"
    if shape.answers == "transcripts":
        yield "audios", service.audios, "it hears one sound in each request, whatever is said here"
        yield "pipeline_parallel_size", _above_one(service.pipeline_parallel_size), _MORE
    elif shape.ear:
        yield "audios", service.audios, f"only text is made {what} of yet"


def _above_one(size: int | None) -> int | None:
    return size if (size or 1) > 1 else None


def _keys_of_one_that_reads_at_once(service: ServiceSpec, model: ModelSpec) -> Iterator[Fault]:
    """It reads a text in one step; most such have no KV cache."""
    path, step = f"services[{service.name}]", service.max_num_batched_tokens
    if step and step < service.max_model_len:
        rule = f"must be at least max_model_len, {service.max_model_len}: {model.name} reads a text"
        yield Fault(f"{path}.max_num_batched_tokens", f"{rule} in one step", step)
    if service.kv_cache_dtype != "auto" and not keeps_tokens(model.shape):
        rule = f"must be left out, {model.name} has no KV cache"
        yield Fault(f"{path}.kv_cache_dtype", rule, service.kv_cache_dtype)
    if stages := _above_one(service.pipeline_parallel_size):
        yield Fault(f"{path}.pipeline_parallel_size", f"must be left out, {_MORE}", stages)


def _router(service: ServiceSpec, engine: Engine, task: Task) -> Iterator[Fault]:
    """A router passes on the paths that it knows alone, and needs that of the canary."""
    kind = ROUTERS.get(service.router or "")
    if kind and engine.canary(service, task).path not in kind.paths:
        rule = f"must be left out, {service.router} passes on no requests for {IN_WORDS[task]}"
        yield Fault(f"services[{service.name}].router", rule, service.router)
