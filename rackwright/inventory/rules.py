"""What must fit together across hosts, services, models and the catalog."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from rackwright import catalog
from rackwright.driver import contradictions
from rackwright.engines import ENGINES, service_faults
from rackwright.errors import Fault, nearest

if TYPE_CHECKING:
    from rackwright.models.spec import ModelSpec
    from rackwright.spec import FleetSpec, ServerSpec, ServiceSpec


@dataclass(frozen=True)
class Declared:
    """The names the inventory declares, whether or not their entries could be read."""

    servers: frozenset[str]
    gateways: frozenset[str]
    services: frozenset[str]
    models: frozenset[str]

    @classmethod
    def of(cls, hosts: Mapping[str, Mapping[str, Any]]) -> Declared:
        """The names in ``hosts``, host name -> its merged data."""
        return cls(
            servers=frozenset(name for name, data in hosts.items() if "server" in data),
            gateways=frozenset(name for name, data in hosts.items() if "gateway" in data),
            services=_keys(hosts, "services"),
            models=_keys(hosts, "models"),
        )


def _keys(hosts: Mapping[str, Mapping[str, Any]], key: str) -> frozenset[str]:
    entries = (data[key] for data in hosts.values() if isinstance(data.get(key), Mapping))
    return frozenset(str(name) for entry in entries for name in entry)


def check(fleet: FleetSpec, declared: Declared) -> Iterator[Fault]:
    """Every fault between the parts of ``fleet``; parts that could not be read are skipped."""
    if not declared.services:
        yield Fault("services", "must name at least one service")
    if declared.services and not declared.gateways:
        yield Fault("gateways", "must have at least one host with 'gateway', services need one")
    for server in fleet.servers.values():
        yield from _server(server, fleet)
    yield from _twice({f"servers[{s.name}].address": s.address for s in fleet.servers.values()})
    for gateway in fleet.gateways.values():
        if bool(gateway.certificate) != bool(gateway.certificate_key):
            missing = "certificate_key" if gateway.certificate else "certificate"
            yield Fault(f"gateways[{gateway.name}].{missing}", "is required beside its other half")
    for service in fleet.services.values():
        yield from _service(service, fleet, declared)
    yield from _twice({f"services[{s.name}]": s.served_as for s in fleet.services.values()})
    yield from _claims(fleet)
    yield from contradictions.check(fleet)


def _server(server: ServerSpec, fleet: FleetSpec) -> Iterator[Fault]:
    path = f"servers[{server.name}]"
    kind = catalog.gpu_types().get(server.gpus.type)
    if kind is None:
        rule = nearest(server.gpus.type, catalog.gpu_types(), "GPU type")
        yield Fault(f"{path}.gpus.type", rule, server.gpus.type)
    elif server.interconnect not in kind.interconnects:
        can = ", ".join(sorted(kind.interconnects - {"none"}))
        yield Fault(f"{path}.interconnect", f"{kind.name} has {can} only", server.interconnect)
    if server.interconnect == "none" and server.gpus.count > 1:
        rule = f"must be pcie, nvlink or nvswitch for {server.gpus.count} GPUs"
        yield Fault(f"{path}.interconnect", rule, server.interconnect)
    yield from _gpu_groups(server)
    if _unspecified(server.address):
        yield Fault(f"{path}.address", "must be one address, not all of them", server.address)
    elif _loopback(server.address) and set(fleet.gateways) - {server.name}:
        rule = "must be reachable from the gateways, this is the server's own loopback"
        yield Fault(f"{path}.address", rule, server.address)


def _gpu_groups(server: ServerSpec) -> Iterator[Fault]:
    """Islands and NUMA nodes name GPUs that are there, each once; nodes name all of them."""
    path, count = f"servers[{server.name}]", server.gpus.count
    for key, groups in (
        ("nvlink_islands", server.nvlink_islands),
        ("numa_nodes", server.numa_nodes),
    ):
        named = sorted(index for group in groups or () for index in group)
        if groups is not None and (len(set(named)) < len(named) or set(named) - set(range(count))):
            rule = f"must name GPUs 0 to {count - 1}, each at most once"
            yield Fault(f"{path}.{key}", rule, groups)
        elif key == "numa_nodes" and groups is not None and len(named) < count:
            yield Fault(f"{path}.{key}", f"must name all {count} GPUs", groups)
    if server.nvlink_islands is not None and server.interconnect != "nvlink":
        rule = "must be left out where interconnect is not nvlink"
        yield Fault(f"{path}.nvlink_islands", rule, server.nvlink_islands)


def _service(service: ServiceSpec, fleet: FleetSpec, declared: Declared) -> Iterator[Fault]:
    path = f"services[{service.name}]"
    yield from _model(service, fleet, declared)
    if service.engine not in ENGINES:
        yield Fault(f"{path}.engine", nearest(service.engine, ENGINES, "engine"), service.engine)
    else:
        yield from _engine(service, fleet)
    for name in service.servers:
        if name in declared.gateways - declared.servers:
            yield Fault(f"{path}.servers", "must be hosts with 'server', this is a gateway", name)
        elif name not in declared.servers:
            yield Fault(f"{path}.servers", nearest(name, declared.servers, "server"), name)
    if len(set(service.servers)) < len(service.servers):
        yield Fault(f"{path}.servers", "must name each server once", service.servers)
    yield from _gpu_indexes(service, fleet)


def _engine(service: ServiceSpec, fleet: FleetSpec) -> Iterator[Fault]:
    """What the engine does not understand, and what it lacks on its servers."""
    path, engine = f"services[{service.name}]", ENGINES[service.engine]
    for flag, rule in engine.flag_faults(service.extra_args):
        yield Fault(f"{path}.extra_args.{flag}", rule)
    for key, rule in service_faults(engine, service):
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


def _model(service: ServiceSpec, fleet: FleetSpec, declared: Declared) -> Iterator[Fault]:
    path = f"services[{service.name}]"
    model = fleet.models.get(service.model)
    if service.revision and service.path:
        yield Fault(f"{path}.path", "must not be given beside revision", service.path)
    if model is None:
        yield from _unknown_model(service, fleet, declared)
        return
    if reason := model.unjudged:
        yield Fault(f"{path}.model", f"cannot be sized: {reason}", service.model)
        return
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
    if service.quantization and model.shape.quantization:
        rule = f"must be left out, {model.name} is released in {model.shape.quantization.method}"
        yield Fault(f"{path}.quantization", rule, service.quantization)
    yield from _weights(service, model)


def _weights(service: ServiceSpec, model: ModelSpec) -> Iterator[Fault]:
    """The weights are pinned, and of the kind that the engine serves."""
    path, engine = f"services[{service.name}]", ENGINES.get(service.engine)
    if engine and (reason := engine.unjudged(model.shape)):
        yield Fault(f"{path}.model", f"cannot be sized for {engine.name}: {reason}", service.model)
    gguf = service.gguf_of(model)
    if engine and engine.serves_gguf:
        if not gguf:
            rule = f"is required (a GGUF file), or gguf of {model.name}: {engine.name} serves those"
            yield Fault(f"{path}.gguf", rule)
        elif gguf.pull and not engine.pulls:
            rule = f"must be left out, engine {engine.name} pulls no models"
            yield Fault(f"{path}.gguf.pull", rule, gguf.pull)
        for key in ("revision", "path"):
            if getattr(service, key):
                rule = f"must be left out, engine {engine.name} serves gguf"
                yield Fault(f"{path}.{key}", rule)
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


def _unknown_model(service: ServiceSpec, fleet: FleetSpec, declared: Declared) -> Iterator[Fault]:
    if service.model in declared.models:
        return  # its own fault is reported where it is declared
    rule = nearest(service.model, fleet.models, "model")
    yield Fault(f"services[{service.name}].model", rule, service.model)


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
        if server and any(index >= server.gpus.count for index in indexes):
            yield Fault(path, f"must be 0 to {server.gpus.count - 1} on {name}", indexes)


def _claims(fleet: FleetSpec) -> Iterator[Fault]:
    """GPUs and ports that two services name on one server."""
    gpus: dict[str, Hashable] = {}
    ports: dict[str, Hashable] = {}
    for service in fleet.services.values():
        for name in dict.fromkeys(service.servers):
            for index in sorted(set((service.gpus or {}).get(name, ()))):
                gpus[f"services[{service.name}].gpus[{name}]#{index}"] = (name, f"GPU {index}")
            if service.port:
                ports[f"services[{service.name}].port#{name}"] = (name, f"port {service.port}")
    yield from _claimed_twice(gpus)
    yield from _claimed_twice(ports)


def _claimed_twice(claims: Mapping[str, Any]) -> Iterator[Fault]:
    for (server, thing), paths in _shared(claims):
        for path in paths[1:]:
            first = paths[0].partition("#")[0]
            yield Fault(path.partition("#")[0], f"{thing} of {server} is taken by {first} already")


def _twice(values: Mapping[str, str]) -> Iterator[Fault]:
    for value, paths in _shared(values):
        for path in paths[1:]:
            what = "is served" if path.startswith("services") else "is given"
            hint = ", set served_model_name" if path.startswith("services") else ""
            yield Fault(path, f"{what} by {paths[0]} already{hint}", value)


def _shared(values: Mapping[str, Any]) -> Iterable[tuple[Any, list[str]]]:
    paths = defaultdict(list)
    for path, value in values.items():
        paths[value].append(path)
    return [(value, found) for value, found in paths.items() if len(found) > 1]


def _loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _unspecified(address: str) -> bool:
    try:
        return ip_address(address).is_unspecified
    except ValueError:
        return False
