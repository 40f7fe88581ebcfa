"""What the inventory names, be it well formed or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Declared:
    """The names the inventory declares, whether or not their entries could be read."""

    servers: frozenset[str]
    gateways: frozenset[str]
    services: frozenset[str]
    models: frozenset[str]
    gpu_types: frozenset[str]

    @classmethod
    def of(cls, hosts: Mapping[str, Mapping[str, Any]]) -> Declared:
        """The names in ``hosts``, host name -> its merged data."""
        return cls(
            servers=frozenset(name for name, data in hosts.items() if "server" in data),
            gateways=frozenset(name for name, data in hosts.items() if "gateway" in data),
            services=_keys(hosts, "services"),
            models=_keys(hosts, "models"),
            gpu_types=_keys(hosts, "gpu_types"),
        )


def _keys(hosts: Mapping[str, Mapping[str, Any]], key: str) -> frozenset[str]:
    entries = (data[key] for data in hosts.values() if isinstance(data.get(key), Mapping))
    return frozenset(str(name) for entry in entries for name in entry)
