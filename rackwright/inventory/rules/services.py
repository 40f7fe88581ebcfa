"""Rules of services: their engine, its settings, their servers and GPUs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rackwright import engines
from rackwright.catalog import GpuType
from rackwright.engines import ENGINES
from rackwright.engines.abilities import refusals
from rackwright.errors import Fault, nearest
from rackwright.inventory.rules.declared import Declared
from rackwright.inventory.rules.gpus import named
from rackwright.spec import FleetSpec, ServerSpec, ServiceSpec


def service_faults(service: ServiceSpec, fleet: FleetSpec, declared: Declared) -> Iterator[Fault]:
    """The engine understands what the service asks, and its servers and GPUs are there."""
    path = f"services[{service.name}]"
    if service.engine not in ENGINES:
        yield Fault(f"{path}.engine", nearest(service.engine, ENGINES, "engine"), service.engine)
    else:
        yield from _engine(service, fleet)
        yield from _refusals(service, fleet)
    yield from _servers(service, declared)
    yield from _gpu_indexes(service, fleet)


def _servers(service: ServiceSpec, declared: Declared) -> Iterator[Fault]:
    path = f"services[{service.name}].servers"
    for name in service.servers:
        if name in declared.gateways - declared.servers:
            yield Fault(path, "must be hosts with 'server', this is a gateway", name)
        elif name not in declared.servers:
            yield Fault(path, nearest(name, declared.servers, "server"), name)
    if len(set(service.servers)) < len(service.servers):
        yield Fault(path, "must name each server once", service.servers)


def _engine(service: ServiceSpec, fleet: FleetSpec) -> Iterator[Fault]:
    """What the engine does not understand, and what it lacks on its servers."""
    path, engine = f"services[{service.name}]", ENGINES[service.engine]
    for flag, rule in engine.flag_faults(service.extra_args):
        yield Fault(f"{path}.extra_args.{flag}", rule)
    for key, rule in engines.service_faults(engine, service):
        yield Fault(f"{path}.{key}", rule)
    for server in dict.fromkeys(service.servers):
        settings = fleet.settings.get(server)
        if settings is None or server not in fleet.servers:
            continue
        for key, rule in engine.setting_faults(settings):
            yield Fault(f"settings[{server}].{key}", rule)
        if settings.engine_api_key_env and not engine.key_variable:
            rule = f"must be None, engine {engine.name} asks for no key ({path})"
            yield Fault(f"settings[{server}].engine_api_key_env", rule)


def _refusals(service: ServiceSpec, fleet: FleetSpec) -> Iterator[Fault]:
    """Why the engine cannot serve the model on its servers' GPUs, as old as they are.

    Each kind of GPU is judged once: a fleet has thousands of servers and few kinds.
    """
    engine, model = ENGINES[service.engine], fleet.models.get(service.model)
    if model is None or model.unjudged:
        return
    shape, judged = service.shape_of(model), dict[tuple[str | None, GpuType], list[str]]()
    for name in dict.fromkeys(service.servers):
        settings, server = fleet.settings.get(name), fleet.servers.get(name)
        if settings is None or server is None or not engine.uses_gpus(settings):
            continue
        kinds = server.kinds_of((service.gpus or {}).get(name))
        for gpu in filter(None, (fleet.gpu_types.get(kind.gpus.type) for kind in kinds)):
            key = (engine.pinned(settings), gpu)
            if key not in judged:
                judged[key] = list(refusals(engine, *key, shape, service, ENGINES.values()))
            for rule in judged[key]:
                yield Fault(f"services[{service.name}].servers[{name}]", rule)


def _gpu_indexes(service: ServiceSpec, fleet: FleetSpec) -> Iterator[Fault]:
    sizes = service.tensor_parallel_size
    for name in sizes if isinstance(sizes, dict) else ():
        if name not in service.servers:
            path = f"services[{service.name}].tensor_parallel_size[{name}]"
            yield Fault(path, nearest(name, service.servers, "server of this service"))
    for name, indexes in (service.gpus or {}).items():
        path = f"services[{service.name}].gpus[{name}]"
        if name not in service.servers:
            yield Fault(path, nearest(name, service.servers, "server of this service"))
        if not indexes or len(set(indexes)) < len(indexes):
            yield Fault(path, "must name at least one GPU, and each once", indexes)
        server = fleet.servers.get(name)
        if server:
            yield from _of_one_type(service, server, indexes, path)


def _of_one_type(
    service: ServiceSpec, server: ServerSpec, indexes: Sequence[int], path: str
) -> Iterator[Fault]:
    """The GPUs are declared, and what is split evenly is split over one type of them."""
    engine = ENGINES.get(service.engine)
    declared = sorted({index for kind in server.kinds for index in kind.gpus.nvml_indexes})
    if set(indexes) - set(declared):
        yield Fault(path, f"must be {named(declared)} on {server.name}", indexes)
    elif server.kind_of(indexes) is None and not (engine and engine.splits.unequal):
        kinds = (f"{named(kind.gpus.nvml_indexes)} ({kind.gpus.type})" for kind in server.kinds)
        yield Fault(path, f"must be of one type: {'; '.join(kinds)}", indexes)
