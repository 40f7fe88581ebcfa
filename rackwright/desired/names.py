"""The names that a gateway is called by."""

from __future__ import annotations

from collections.abc import Iterable

from rackwright.spec import GatewaySpec


def gateway_names(gateway: GatewaySpec, host_names: Iterable[str] = ()) -> tuple[str, ...]:
    """Each once, in small letters, its first first; ``host_names`` are of its services."""
    names = (gateway.server_name, *gateway.other_names, *host_names)
    return tuple(dict.fromkeys(map(str.lower, names)))
