"""The names that a gateway is called by."""

from __future__ import annotations

from collections.abc import Iterable

from rackwright.spec import GatewaySpec, ServiceSpec


def gateway_names(gateway: GatewaySpec, services: Iterable[ServiceSpec]) -> tuple[str, ...]:
    """Each once, in small letters, its first first; with those of the services behind it."""
    of_services = (name for service in services for name in service.host_names)
    names = (gateway.server_name, *gateway.other_names, *of_services)
    return tuple(dict.fromkeys(map(str.lower, names)))
