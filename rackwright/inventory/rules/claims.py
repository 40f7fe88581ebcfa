"""Rules of what only one may have: an address, a name, a GPU, a port."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Any

from rackwright.errors import Fault
from rackwright.spec import FleetSpec


def twice(fleet: FleetSpec) -> Iterator[Fault]:
    """Addresses that two servers give."""
    yield from _twice(
        {f"servers[{s.name}].address": s.address.lower() for s in fleet.servers.values()}
    )


def claims(fleet: FleetSpec) -> Iterator[Fault]:
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
            yield Fault(path, f"is given by {paths[0]} already", value)


def _shared(values: Mapping[str, Any]) -> Iterable[tuple[Any, list[str]]]:
    paths = defaultdict(list)
    for path, value in values.items():
        paths[value].append(path)
    return [(value, found) for value, found in paths.items() if len(found) > 1]
