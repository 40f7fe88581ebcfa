"""The settings of each host: which there are, what they default to, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import create_model

from rackwright.engines import ENGINES
from rackwright.errors import Fault, gathered, nearest
from rackwright.inventory.group_data import group_data
from rackwright.routers import ROUTERS
from rackwright.schema.validation import parse
from rackwright.spec import Settings, SettingsModel

Hosts = Mapping[str, Mapping[str, Any]]

MODELS: tuple[type[SettingsModel], ...] = (
    Settings,
    *(engine.settings_model for engine in ENGINES.values()),
    *(router.settings_model for router in ROUTERS.values()),
)
"""Who declares the settings that Python code reads; templates' own are group data's to declare."""
HOST_KEYS = ("server", "gateway")
SHARED_KEYS = ("services", "models", "gpu_types", "failover", "accepted")


@cache
def host_settings() -> type[Settings]:
    """All settings of a host as one model: of ``MODELS``, and what group data declares itself."""
    return composed(MODELS, group_data().types)


def composed(models: tuple[type[SettingsModel], ...], types: Mapping[str, Any]) -> type[Settings]:
    """A model with the fields of all ``models``, Settings among them, and of ``types``."""
    compose: Any = create_model  # its own type wants models of one kind
    own = {key: (kind, ...) for key, kind in types.items()}
    model: type[Settings] = compose("HostSettings", __base__=models, **own)
    return model


def with_defaults(data: Mapping[str, Any]) -> dict[str, Any]:
    """A host's data, and what it lacks of the settings as the project's group data has it.

    So an inventory outside the project, whose group data pyinfra looks for elsewhere, says only
    what is other.
    """
    known = host_settings().model_fields
    values = group_data().values
    return {**{key: values[key] for key in values if key in known}, **data}


def read_settings(
    hosts: Hosts, runner_keys: Collection[str], faults: list[Fault]
) -> dict[str, Settings]:
    """The settings of each host that has them right; every fault is added to ``faults``.

    ``runner_keys`` are host data that the runner reads itself, and judges.
    """
    settings: dict[str, Settings] = {}
    found: list[tuple[str, Fault]] = []
    for name, data in hosts.items():
        found.extend((name, fault) for fault in _host_faults(data, runner_keys))
        given = {key: data[key] for key in host_settings().model_fields if key in data}
        own: list[Fault] = []
        if parsed := parse(host_settings(), given, "settings", own):
            settings[name] = parsed
        found.extend((name, fault) for fault in own)
    faults.extend(gathered(found))
    return settings


def _host_faults(data: Mapping[str, Any], runner_keys: Collection[str]) -> Iterable[Fault]:
    known = (*HOST_KEYS, *SHARED_KEYS, *host_settings().model_fields)
    for key in map(str, data):
        if key not in known and key not in runner_keys:
            yield Fault(f"hosts.{key}", nearest(key, known, "key", runner_keys))
    if not any(key in data for key in HOST_KEYS):
        yield Fault("hosts", "must have 'server', 'gateway' or both")
