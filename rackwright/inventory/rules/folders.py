"""Rules of Rackwright's own folders on a host: each for itself, and none holds what is not ours."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import PurePosixPath

from rackwright.errors import Fault, gathered
from rackwright.spec import FleetSpec, GatewaySpec, ServiceSpec, Settings
from rackwright.spec.settings import FOLDERS


def folder_faults(fleet: FleetSpec) -> Iterator[Fault]:
    """Folders that are one another or lie in one another, and what operators keep in them."""
    found = ((name, fault) for name, own in fleet.settings.items() for fault in _nested(own))
    yield from gathered(found)
    for service in fleet.services.values():
        yield from _weights(service, fleet)
    for gateway in fleet.gateways.values():
        yield from _certificates(gateway, fleet)


def _nested(settings: Settings) -> Iterator[Fault]:
    """What is taken away of one must not be of another: caches go with their replica."""
    for first, second in combinations(FOLDERS, 2):
        one, other = getattr(settings, first), getattr(settings, second)
        if one == other:
            yield Fault(f"settings.{second}", f"must be another folder than {first}", other)
        elif _inside(one, other) or _inside(other, one):
            yield Fault(f"settings.{second}", f"must not be inside {first}, nor around it", other)


def _inside(path: str, folder: str) -> bool:
    return PurePosixPath(path).is_relative_to(folder)


def _weights(service: ServiceSpec, fleet: FleetSpec) -> Iterator[Fault]:
    """Weights of the operator in a folder that Rackwright fills and empties would go with it."""
    model = fleet.models.get(service.model)
    gguf = service.gguf_of(model) if model else service.gguf
    mmproj = service.mmproj_of(model) if model else service.mmproj
    given = {
        f"services[{service.name}].path": service.path,
        f"models[{service.model}].path": model.source.path if model else None,
        f"services[{service.name}].gguf.path": gguf.path if gguf else None,
        f"services[{service.name}].mmproj.path": mmproj.path if mmproj else None,
    }
    for where, path in given.items():
        for key, folder in _emptied(path, service.servers, fleet):
            yield Fault(
                where, f"must not be inside {key} ({folder}), what is there is removed", path
            )


def _certificates(gateway: GatewaySpec, fleet: FleetSpec) -> Iterator[Fault]:
    for key in ("certificate", "certificate_key"):
        path = getattr(gateway, key)
        for kind, folder in _emptied(path, (gateway.name,), fleet):
            rule = f"must not be inside {kind} ({folder}), what is there is removed"
            yield Fault(f"gateways[{gateway.name}].{key}", rule, path)


def _emptied(
    path: str | None, hosts: tuple[str, ...], fleet: FleetSpec
) -> Iterator[tuple[str, str]]:
    """The folders of hosts that a path lies in, of those in which things are removed; each once."""
    settings = [fleet.settings[name] for name in hosts if name in fleet.settings]
    folders = [(key, getattr(own, key)) for own in settings for key in ("root_dir", "cache_dir")]
    yield from ((key, at) for key, at in dict.fromkeys(folders) if path and _inside(path, at))
