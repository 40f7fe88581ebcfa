"""Host data to a FleetSpec: reads each part, then asks ``rules`` what does not fit together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from rackwright import catalog
from rackwright.errors import Fault, SpecError, gathered, nearest
from rackwright.inventory import rules
from rackwright.models.spec import ModelSpec
from rackwright.schema.validation import Model, parse, salvage
from rackwright.spec import FleetSpec, GatewaySpec, ServerSpec, ServiceSpec, Settings

Hosts = Mapping[str, Mapping[str, Any]]
Neutral = Mapping[str, Any]

# Host data that pyinfra and its connectors read themselves; none of it is ours to judge.
_PYINFRA_PREFIXES = ("_", "ssh_", "docker_", "podman_", "chroot_", "terraform_", "vagrant_")
_HOST_KEYS = ("server", "gateway")
_SHARED_KEYS = ("services", "models")
_SETTINGS_KEYS = tuple(Settings.model_fields)
# What stands for values that cannot be read while the rest of their entry is judged.
_NEUTRAL_SERVER: Neutral = {
    "address": "unreadable.invalid",
    "gpus": {"type": "h100-sxm-80gb", "count": 1},
}
_NEUTRAL_SERVICE: Neutral = {
    "model": "llama-3.1-8b-instruct",
    "engine": "vllm",
    "servers": ["unreadable"],
    "max_model_len": 1,
    "objective": "latency",
}
# Keys whose rules depend on other keys of the same entry.
_CAUSES = {
    "revision": ("model", "path"),
    "path": ("model", "revision"),
    "max_model_len": ("model",),
    "interconnect": ("gpus.type",),
}


def load_fleet(hosts: Hosts) -> FleetSpec:
    """The fleet that the hosts' data declares. Raises SpecError with every fault at once."""
    faults: list[Fault] = []
    models = _models(_shared(hosts, "models", faults), faults)
    services = _services(_shared(hosts, "services", faults), faults)
    servers, gateways = _servers(hosts, faults), _gateways(hosts, faults)
    fleet = FleetSpec(
        servers=servers,
        gateways=gateways,
        services=services,
        models=models,
        settings=_settings(hosts, faults),
    )
    broken = tuple(faults)
    found = rules.check(fleet, rules.Declared.of(hosts))
    faults.extend(fault for fault in found if not _follows(fault, broken))
    if faults:
        raise SpecError(faults)
    return fleet


def _shared(hosts: Hosts, key: str, faults: list[Fault]) -> dict[str, Any]:
    """Data that is one value for the whole fleet, set once in the inventory's ``all`` group."""
    given = [(name, data[key]) for name, data in hosts.items() if key in data]
    if not given:
        return {}
    name, value = given[0]
    other = next((host for host, its in given if its != value), None)
    if other:
        faults.append(Fault(key, f"must be the same on all hosts, {name} and {other} differ"))
    if not isinstance(value, Mapping):
        faults.append(Fault(key, "must be a dict by name", value))
        return {}
    return {str(each): entry for each, entry in value.items()}


def _servers(hosts: Hosts, faults: list[Fault]) -> dict[str, ServerSpec]:
    found = {}
    for name, data in hosts.items():
        if "server" in data and (entry := _named(data["server"], name, f"servers[{name}]", faults)):
            path = f"servers[{name}]"
            found[name] = _readable(ServerSpec, entry, path, faults, _NEUTRAL_SERVER)
    return {name: server for name, server in found.items() if server}


def _gateways(hosts: Hosts, faults: list[Fault]) -> dict[str, GatewaySpec]:
    found = {}
    for name, data in hosts.items():
        path = f"gateways[{name}]"
        if "gateway" in data and (entry := _named(data["gateway"], name, path, faults)):
            found[name] = parse(GatewaySpec, entry, path, faults)
    return {name: gateway for name, gateway in found.items() if gateway}


def _services(entries: Mapping[str, Any], faults: list[Fault]) -> dict[str, ServiceSpec]:
    found = {}
    for name, data in entries.items():
        if entry := _named(data, name, f"services[{name}]", faults):
            path = f"services[{name}]"
            found[name] = _readable(ServiceSpec, entry, path, faults, _NEUTRAL_SERVICE)
    return {name: service for name, service in found.items() if service}


def _readable(
    model: type[Model], entry: dict[str, Any], path: str, faults: list[Fault], neutral: Neutral
) -> Model | None:
    """The entry, or what can be read of it: its faults are known, the rest is judged too."""
    return parse(model, entry, path, faults) or salvage(model, entry, neutral)


def _follows(fault: Fault, broken: Iterable[Fault]) -> bool:
    """Whether a rule's fault is only about what could not be read, or about its neutral value."""
    owner, _, key = fault.path.rpartition(".")
    causes = {key.partition("[")[0], *_CAUSES.get(key, ())}
    return any(
        known.path.startswith(owner)
        and any(f"{owner}.{cause}" in known.path or f"'{cause}'" in known.rule for cause in causes)
        for known in broken
    )


def _models(own: Mapping[str, Any], faults: list[Fault]) -> dict[str, ModelSpec]:
    known = _catalog_models()
    models = dict(known)
    for name, data in own.items():
        path = f"models[{name}]"
        if name in known:
            faults.append(Fault(path, "is in the catalog already, choose another name"))
        elif entry := _named(data, name, path, faults):
            model = parse(ModelSpec, entry, path, faults)
            if model and _judged(model, faults):
                models[name] = model
    return models


@cache
def _catalog_models() -> dict[str, ModelSpec]:
    """The catalog, read once: so is the shape of each of its models."""
    entries = catalog.model_entries()
    return {name: ModelSpec(name=name, **entry) for name, entry in entries.items()}


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


def _settings(hosts: Hosts, faults: list[Fault]) -> dict[str, Settings]:
    settings: dict[str, Settings] = {}
    found: list[tuple[str, Fault]] = []
    for name, data in hosts.items():
        found.extend((name, fault) for fault in _host_faults(data))
        given = {key: data[key] for key in _SETTINGS_KEYS if key in data}
        own: list[Fault] = []
        if parsed := parse(Settings, given, "", own):
            settings[name] = parsed
        found.extend((name, Fault(f"settings{fault.path}", *_rest(fault))) for fault in own)
    faults.extend(gathered(found))
    return settings


def _host_faults(data: Mapping[str, Any]) -> Iterable[Fault]:
    known = (*_HOST_KEYS, *_SHARED_KEYS, *_SETTINGS_KEYS)
    for key in map(str, data):
        if key not in known and not key.startswith(_PYINFRA_PREFIXES):
            yield Fault(f"hosts.{key}", nearest(key, known, "key"))
    if not any(key in data for key in _HOST_KEYS):
        yield Fault("hosts", "must have 'server', 'gateway' or both")


def _rest(fault: Fault) -> tuple[str, Any]:
    return fault.rule, fault.value
