"""Rules of what a service loads: a model that can be sized, from weights that are pinned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rackwright.engines import ENGINES, Engine
from rackwright.errors import Fault, nearest
from rackwright.inventory.rules.declared import Declared
from rackwright.inventory.rules.tasks import task_faults
from rackwright.models.gguf import Gguf
from rackwright.models.spec import ModelSpec
from rackwright.spec import FleetSpec, ServiceSpec


def model_faults(service: ServiceSpec, fleet: FleetSpec, declared: Declared) -> Iterator[Fault]:
    """The model is known, can be sized, and can do what the service asks of it."""
    path = f"services[{service.name}]"
    model = fleet.models.get(service.model)
    if service.revision and service.path:
        yield Fault(f"{path}.path", "must not be given beside revision", service.path)
    if model is None:
        yield from _unknown_model(service, fleet, declared)
        return
    if reason := model.unjudged:
        yield Fault(f"{path}.model", f"{service.model} cannot be sized: {reason}")
        return
    yield from task_faults(service, model)
    yield from _abilities(service, model)
    yield from _weights(service, model)


def _unknown_model(service: ServiceSpec, fleet: FleetSpec, declared: Declared) -> Iterator[Fault]:
    if service.model in declared.models:
        return  # its own fault is reported where it is declared
    rule = nearest(service.model, fleet.models, "model")
    yield Fault(f"services[{service.name}].model", rule, service.model)


def _abilities(service: ServiceSpec, model: ModelSpec) -> Iterator[Fault]:
    """What is asked of the model, and it cannot do."""
    path = f"services[{service.name}]"
    if service.max_model_len > model.longest_context:
        rule = f"must be at most {model.longest_context}, the longest context of {model.name}"
        yield Fault(f"{path}.max_model_len", rule, service.max_model_len)
    goal = service.objective
    if not isinstance(goal, str) and goal.tokens > service.max_model_len:
        rule = f"must be at most max_model_len, {service.max_model_len}"
        yield Fault(f"{path}.objective.tokens", rule, goal.tokens)
    if service.expert_parallel and not model.shape.experts:
        rule = f"must be left out, {model.name} is no mixture of experts"
        yield Fault(f"{path}.expert_parallel", rule, True)
    yield from _groups(service, model)
    if service.quantization and model.shape.quantization:
        rule = f"must be left out, {model.name} is released in {model.shape.quantization.method}"
        yield Fault(f"{path}.quantization", rule, service.quantization)
    yield from _seeing(service, model)


def _groups(service: ServiceSpec, model: ModelSpec) -> Iterator[Fault]:
    """Data parallel groups share experts; what else they could share nobody needs them for."""
    path, data = f"services[{service.name}]", service.data_parallel_size or 1
    if data > 1 and not model.shape.experts:
        rule = f"must be left out, {model.name} is no mixture of experts: use replicas"
        yield Fault(f"{path}.data_parallel_size", rule, data)
    elif data > 1 and service.expert_parallel is False:
        rule = "must be left out or true beside data_parallel_size, whose groups share experts"
        yield Fault(f"{path}.expert_parallel", rule, False)


def _seeing(service: ServiceSpec, model: ModelSpec) -> Iterator[Fault]:
    """Images and sounds are for models whose towers can be planned; others are served as text."""
    path, shape = f"services[{service.name}]", model.shape
    for key, many, tower, reason, sense in (
        ("images", service.images, shape.tower, shape.unseeing, "sees"),
        ("audios", service.audios, shape.ear, shape.unhearing, "hears"),
    ):
        if many and tower is None:
            rule = _without(model, reason, sense, key.replace("audios", "sounds"))
            yield Fault(f"{path}.{key}", rule, many)
    step, served = service.max_num_batched_tokens, service.shape_of(model)
    if (least := served.least_step) and step and step < least:
        rule = f"must be at least {least}: {model.name} reads an image or a sound in one step"
        yield Fault(f"{path}.max_num_batched_tokens", rule, step)


def _without(model: ModelSpec, reason: str, sense: str, items: str) -> str:
    if model.shape.text_only:
        return f"must be left out: {reason}; without it {model.name} is served as text"
    if model.figures or model.shape.margin:
        return f"must be left out: what {sense} in {model.name} is not known"
    return f"must be left out, {model.name} {sense} no {items}"


def _weights(service: ServiceSpec, model: ModelSpec) -> Iterator[Fault]:
    """The weights are pinned, and of the kind that the engine serves."""
    path, engine = f"services[{service.name}]", ENGINES.get(service.engine)
    if engine and model.shape.in_file and not engine.serves_gguf:
        rule = f"is known by the header of a GGUF file, which engine {engine.name} does not serve"
        yield Fault(f"{path}.model", rule, model.name)
    if engine and (reason := engine.unjudged(model.shape)):
        yield Fault(f"{path}.model", f"cannot be sized for {engine.name}: {reason}", service.model)
    if engine and engine.serves_gguf:
        yield from _gguf(service, model, engine)
        return
    if service.gguf:
        yield Fault(f"{path}.gguf", f"must be left out, engine {service.engine} serves none")
    if service.revision and not model.source.repo:
        rule = f"must be left out, {model.name} comes from a directory"
        yield Fault(f"{path}.revision", rule, service.revision)
    elif not model.source.repo and not service.source_of(model).pinned:
        rule = f"is required (a directory of weights), {model.name} names no repository"
        yield Fault(f"{path}.path", rule)
    elif not service.source_of(model).pinned:
        rule = f"is required (a commit of {model.source.repo}), or path (a directory of weights)"
        yield Fault(f"{path}.revision", rule)


def _gguf(service: ServiceSpec, model: ModelSpec, engine: Engine) -> Iterator[Fault]:
    path, gguf = f"services[{service.name}]", service.gguf_of(model)
    if not gguf:
        rule = f"is required (a GGUF file), or gguf of {model.name}: {engine.name} serves those"
        yield Fault(f"{path}.gguf", rule)
    elif gguf.pull and not engine.pulls:
        rule = f"must be left out, engine {engine.name} pulls no models"
        yield Fault(f"{path}.gguf.pull", rule, gguf.pull)
    elif gguf.parts and not engine.loads_parts:
        rule = f"must be left out, engine {engine.name} loads one file: merge it with"
        yield Fault(f"{path}.gguf.parts", f"{rule} llama-gguf-split --merge")
    elif model.shape.in_file:
        yield from _other_file(gguf, model, model.shape.in_file.files, f"{path}.gguf")
    for key in ("revision", "path"):
        if getattr(service, key):
            yield Fault(f"{path}.{key}", f"must be left out, engine {engine.name} serves gguf")


def _other_file(gguf: Gguf, model: ModelSpec, sizes: Sequence[int], path: str) -> Iterator[Fault]:
    """What is served is the file whose header was read: each part of it is as large."""
    if len(gguf.files) != len(sizes):
        rule = f"must be {len(sizes)} file(s), as header of {model.name} names"
        yield Fault(path, rule, len(gguf.files))
        return
    for number, (file, size) in enumerate(zip(gguf.files, sizes, strict=True)):
        if file.size_bytes != size:
            place = f"parts[{number}].size_bytes" if gguf.parts else "size_bytes"
            rule = f"must be {size}, as the file that header of {model.name} names"
            yield Fault(f"{path}.{place}", rule, file.size_bytes)
