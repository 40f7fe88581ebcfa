"""What a client of the gateway was answered, asking as one of a service would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedService

LOOK = "tail /var/log/nginx/rackwright.log and error.log on the gateway"

MAKE_A_KEY = (
    "the gateway asks for keys, and verify has none that it knows: `rackwright keys INVENTORY add "
    "verify`, and name the variable that holds the key in gateway_key_env"
)


def remedy(reply: Any) -> str:
    """What to do about an answer that is none: of a gateway that lets nobody in, a key."""
    status = reply.get("status") if isinstance(reply, Mapping) else None
    return MAKE_A_KEY if status in (401, 403) else LOOK


def asked(planned: PlannedService, seen: Observation) -> Observation:
    """The answers about this service; none where it was not asked."""
    services = seen.get("services") or {}
    return services.get(planned.name) or {}
