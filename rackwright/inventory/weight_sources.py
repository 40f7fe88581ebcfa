"""Where the weights of an inventory's services lie, whatever else is wrong with their entries.

A model whose architecture is not known makes an inventory that cannot be planned before its headers
are read, so they are looked for by these few keys alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rackwright import catalog
from rackwright.errors import Fault, SpecError
from rackwright.inventory.settings import Hosts
from rackwright.models.spec import ModelSource
from rackwright.schema.validation import parse
from rackwright.spec.settings import HUB_VARIABLE


@dataclass(frozen=True)
class WeightSource:
    """Of one model: a path on ``servers``, or a repository at a commit on ``hub`` (None: usual).

    ``saved`` is where the inventory expects the headers: the model's key ``tensors``.
    """

    model: str
    source: ModelSource
    servers: tuple[str, ...]
    hub: str | None = None
    saved: str | None = None


def weight_sources(hosts: Hosts) -> list[WeightSource]:
    """One for each model and place that services name; GGUF files are none of these.

    Raises SpecError with every fault of a place.
    """
    faults: list[Fault] = []
    found = {(one.model, one.source): one for one in _sources(hosts, faults)}
    if faults:
        raise SpecError(faults)
    return list(found.values())


def _sources(hosts: Hosts, faults: list[Fault]) -> Iterator[WeightSource]:
    models = {**catalog.model_entries(), **_shared(hosts, "models")}
    for name, service in _shared(hosts, "services").items():
        model = models.get(str(_key(service, "model")))
        if not isinstance(model, Mapping):
            continue
        given = {key: _key(service, key) or model.get(key) for key in ("path", "revision", "repo")}
        if given["path"]:
            given = {"path": given["path"]}
        place = parse(ModelSource, _present(given), f"services[{name}]", faults)
        if place is None or not place.pinned:
            continue
        servers = tuple(str(one) for one in _list(_key(service, "servers")) if str(one) in hosts)
        saved = model.get("tensors")
        yield WeightSource(
            str(_key(service, "model")),
            place,
            servers,
            _hub(hosts, servers),
            saved if isinstance(saved, str) else None,
        )


def _hub(hosts: Hosts, servers: tuple[str, ...]) -> str | None:
    """The mirror that its servers fetch from, if their engines have one."""
    for name in servers:
        named = _key(hosts[name].get("engine_environment"), HUB_VARIABLE)
        if isinstance(named, str):
            return named
    return None


def _shared(hosts: Hosts, key: str) -> dict[str, Any]:
    values = (data[key] for data in hosts.values() if isinstance(data.get(key), Mapping))
    return dict(next(values, {}))


def _key(entry: object, key: str) -> Any:
    return entry.get(key) if isinstance(entry, Mapping) else None


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
