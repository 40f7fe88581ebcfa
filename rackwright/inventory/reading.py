"""Host data to a FleetSpec: reads each part, then asks ``rules`` what does not fit together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from rackwright.catalog import GpuType
from rackwright.errors import Fault, SpecError, gathered
from rackwright.inventory import rules
from rackwright.inventory.declarations import (
    read_accepted,
    read_failover,
    read_gateways,
    read_gpu_types,
    read_models,
    read_servers,
    read_services,
)
from rackwright.inventory.settings import Hosts, read_settings
from rackwright.parts import pause
from rackwright.schema.depth import TOO_DEEP, too_deep
from rackwright.spec import FleetSpec

# Keys whose rules depend on other keys of the same entry.
_CAUSES = {
    "revision": ("model", "path"),
    "path": ("model", "revision"),
    "max_model_len": ("model",),
    "interconnect": ("gpus.type",),
    "fabric_manager": ("interconnect",),
    "indexes": ("count",),
    "other_gpus": ("gpus",),
    "nvlink_islands": ("gpus", "other_gpus", "interconnect"),
    "numa_nodes": ("gpus", "other_gpus"),
}


def load_fleet(
    hosts: Hosts, runner_keys: Collection[str] = (), known: Iterable[Fault] = ()
) -> FleetSpec:
    """The fleet that the hosts' data declares, settings and all (``settings.with_defaults``).

    ``runner_keys`` are host data that the runner reads itself; ``known`` faults are reported with
    the others. Raises SpecError with every fault at once.
    """
    if endless := list(gathered(_endless(hosts))):
        raise SpecError([*known, *endless])
    faults = list(known)
    fleet = _read(hosts, runner_keys, faults)
    broken = tuple(faults)
    pause()
    judged = rules.check(fleet, rules.Declared.of(hosts))
    faults.extend(fault for fault in judged if not _follows(fault, broken))
    if faults:
        raise SpecError(faults)
    return fleet


def _endless(hosts: Hosts) -> Iterable[tuple[str, Fault]]:
    """Data that nothing could be said of, because to print it is to recurse without end.

    What hosts share, as all do the services, is looked at once.
    """
    judged: dict[int, bool] = {}
    for name, data in hosts.items():
        for key, value in data.items():
            if id(value) not in judged:
                judged[id(value)] = too_deep(value)
            if judged[id(value)]:
                yield name, Fault(f"hosts.{key}", TOO_DEEP)


def load_gpu_types(hosts: Hosts) -> dict[str, GpuType]:
    """The GPU types of the catalog and the hosts' own, whatever else is wrong with their data.

    Raises SpecError with every fault of ``gpu_types``.
    """
    faults: list[Fault] = []
    types = read_gpu_types(_shared(hosts, "gpu_types", faults), faults)
    if faults:
        raise SpecError(faults)
    return types


def _read(hosts: Hosts, runner_keys: Collection[str], faults: list[Fault]) -> FleetSpec:
    models = read_models(_shared(hosts, "models", faults), faults)
    pause()
    services = read_services(_shared(hosts, "services", faults), faults)
    pause()
    servers, gateways = read_servers(hosts, faults), read_gateways(hosts, faults)
    pause()
    return FleetSpec(
        servers=servers,
        gateways=gateways,
        services=services,
        models=models,
        gpu_types=read_gpu_types(_shared(hosts, "gpu_types", faults), faults),
        settings=read_settings(hosts, runner_keys, faults),
        failover=read_failover(_shared(hosts, "failover", faults), faults),
        accepted=read_accepted(_shared_list(hosts, "accepted", faults), faults),
    )


def _shared(hosts: Hosts, key: str, faults: list[Fault]) -> dict[str, Any]:
    """Data by name that is one value for the whole fleet."""
    value = _of_all(hosts, key, {}, faults)
    if not isinstance(value, Mapping):
        faults.append(Fault(key, "must be a dict by name", value))
        return {}
    return {str(entry): data for entry, data in value.items()}


def _shared_list(hosts: Hosts, key: str, faults: list[Fault]) -> Sequence[object]:
    """A list that is one value for the whole fleet."""
    value = _of_all(hosts, key, (), faults)
    if not isinstance(value, list | tuple):
        faults.append(Fault(key, "must be a list", value))
        return ()
    return value


def _of_all(hosts: Hosts, key: str, absent: object, faults: list[Fault]) -> Any:
    """One value for the whole fleet, set once in the inventory's ``all`` group."""
    given = [(name, data[key]) for name, data in hosts.items() if key in data]
    if not given:
        return absent
    name, value = given[0]
    if other := next((host for host, its in given if its != value), None):
        faults.append(Fault(key, f"must be the same on all hosts, {name} and {other} differ"))
    return value


def _follows(fault: Fault, broken: Iterable[Fault]) -> bool:
    """Whether a rule's fault is only about what could not be read, or about its neutral value."""
    owner, _, key = fault.path.rpartition(".")
    causes = {key.partition("[")[0], *_CAUSES.get(key, ())}
    return any(
        known.path.startswith(owner)
        and any(f"{owner}.{cause}" in known.path or f"'{cause}'" in known.rule for cause in causes)
        for known in broken
    )
