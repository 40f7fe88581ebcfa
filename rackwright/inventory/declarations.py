"""Servers, gateways, services and models, each read from its entry; every fault is kept.

An entry with faults is still judged by what can be read of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain
from typing import Any

from rackwright import catalog
from rackwright.catalog import GpuType
from rackwright.engines import ENGINES
from rackwright.errors import Fault, SpecError
from rackwright.inventory.settings import Hosts
from rackwright.models.spec import ModelSpec
from rackwright.schema.validation import Model, parse, salvage
from rackwright.spec import AcceptedFinding, FailoverSpec, GatewaySpec, ServerSpec, ServiceSpec

Neutral = Mapping[str, Any]

# What stands for values that cannot be read while the rest of their entry is judged.
_NEUTRAL_SERVER: Neutral = {
    "address": "unreadable.invalid",
    "gpus": {"type": "h100-sxm-80gb", "count": 1},
}
_NEUTRAL_SERVICE: Neutral = {
    "model": "llama-3.1-8b-instruct",
    "engine": next(iter(ENGINES)),
    "servers": ["unreadable"],
    "max_model_len": 1,
    "objective": "latency",
}
_NEUTRAL_FINDING: Neutral = {
    "host": "unreadable.invalid",
    "check": "unreadable",
    "until": "2000-01-01",
    "why": "unreadable",
}


def read_servers(hosts: Hosts, faults: list[Fault]) -> dict[str, ServerSpec]:
    """The servers among the hosts, by name."""
    entries = {name: data["server"] for name, data in hosts.items() if "server" in data}
    return _entries(ServerSpec, entries, "servers", faults, _NEUTRAL_SERVER)


def read_gateways(hosts: Hosts, faults: list[Fault]) -> dict[str, GatewaySpec]:
    """The gateways among the hosts, by name."""
    entries = {name: data["gateway"] for name, data in hosts.items() if "gateway" in data}
    return _entries(GatewaySpec, entries, "gateways", faults, None)


def read_services(entries: Mapping[str, Any], faults: list[Fault]) -> dict[str, ServiceSpec]:
    """The services, by name."""
    return _entries(ServiceSpec, entries, "services", faults, _NEUTRAL_SERVICE)


def read_failover(data: Mapping[str, Any], faults: list[Fault]) -> FailoverSpec | None:
    """Which gateways clients see as one; None where nothing is said of it."""
    if not data:
        return None
    read = parse(FailoverSpec, data, "failover", faults)
    return read or salvage(FailoverSpec, data, {"gateways": {}})


def read_accepted(entries: Sequence[object], faults: list[Fault]) -> dict[str, AcceptedFinding]:
    """The findings that are accepted, each by where it stands (``accepted[0]``)."""
    read = {}
    for number, data in enumerate(entries):
        path = f"accepted[{number}]"
        found = parse(AcceptedFinding, data, path, faults)
        if found is None and isinstance(data, Mapping):
            found = salvage(AcceptedFinding, data, _NEUTRAL_FINDING)
        if found is not None:
            read[path] = found
    return read


def _entries(
    model: type[Model],
    entries: Mapping[str, Any],
    kind: str,
    faults: list[Fault],
    neutral: Neutral | None,
) -> dict[str, Model]:
    read = {}
    for name, data in entries.items():
        path = f"{kind}[{name}]"
        if entry := _named(data, name, path, faults):
            value = parse(model, entry, path, faults)
            if value is None and neutral is not None:
                value = salvage(model, entry, neutral)
            if value is not None:
                read[name] = value
    return read


def read_gpu_types(own: Mapping[str, Any], faults: list[Fault]) -> dict[str, GpuType]:
    """The GPU types of the catalog and the inventory's own, by key; one schema judges both."""
    types = dict(catalog.gpu_types())
    for name, data in own.items():
        path = f"gpu_types[{name}]"
        if name in catalog.gpu_types():
            faults.append(Fault(path, "is in the catalog already, choose another name"))
        elif gpu := _own_type(name, data, path, faults):
            found = [*catalog.contradictions(gpu), *catalog.alike(gpu, types.values())]
            faults.extend(Fault(f"{path}.{key}", rule) for key, rule in found)
            types[name] = gpu
    return types


def _own_type(name: str, data: object, path: str, faults: list[Fault]) -> GpuType | None:
    if not isinstance(data, Mapping):
        faults.append(Fault(path, "must be a dict", data))
        return None
    if "key" in data:
        faults.append(Fault(f"{path}.key", "is the entry's own name, leave it out", data["key"]))
    return parse(GpuType, {**data, "key": name}, path, faults)


class _Models(Mapping[str, ModelSpec]):
    """The catalog's models, each read when it is asked for, and the inventory's own."""

    def __init__(self, own: Mapping[str, ModelSpec]) -> None:
        self._own = own

    def __getitem__(self, name: str) -> ModelSpec:
        """One by name. Raises KeyError for one that is nowhere."""
        return self._own[name] if name in self._own else _of_catalog(name)

    def __iter__(self) -> Iterator[str]:
        """All names, those of the catalog first."""
        return chain(catalog.model_entries(), self._own)

    def __len__(self) -> int:
        """How many there are."""
        return len(catalog.model_entries()) + len(self._own)


def read_models(own: Mapping[str, Any], faults: list[Fault]) -> Mapping[str, ModelSpec]:
    """The models of the catalog and the inventory's own, by name."""
    known = catalog.model_entries()
    models: dict[str, ModelSpec] = {}
    for name, data in own.items():
        path = f"models[{name}]"
        if name in known:
            faults.append(Fault(path, "is in the catalog already, choose another name"))
        elif entry := _named(data, name, path, faults):
            found: list[Fault] = []
            model = parse(ModelSpec, entry, path, found)
            faults.extend(_as_written(fault, path) for fault in found)
            if model and _judged(model, faults):
                models[name] = model
    return _Models(models)


def _as_written(fault: Fault, path: str) -> Fault:
    """With the path that the operator wrote: ``source`` is a part that parsing makes."""
    return replace(fault, path=fault.path.replace(f"{path}.source.", f"{path}."))


@cache
def _of_catalog(name: str) -> ModelSpec:
    """Read once: so is its shape. Raises KeyError for a name that is none."""
    return ModelSpec(name=name, **catalog.model_entries()[name])


def _judged(model: ModelSpec, faults: list[Fault]) -> bool:
    """Whether the model's own figures can be sized; what is wrong with them is a fault."""
    try:
        return bool(model.shape)
    except SpecError as error:
        faults.extend(error.faults)
        return False


def _named(data: object, name: str, path: str, faults: list[Fault]) -> dict[str, Any] | None:
    """An entry with the name it is listed under; naming it twice is a fault."""
    if not isinstance(data, Mapping):
        faults.append(Fault(path, "must be a dict", data))
        return None
    if "name" in data:
        faults.append(Fault(f"{path}.name", "is the entry's own key, leave it out", data["name"]))
    return {**data, "name": name}
