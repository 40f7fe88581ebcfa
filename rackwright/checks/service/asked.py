"""What a client of the gateway was answered, asking as one of a service would."""

from __future__ import annotations

from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedService

LOOK = "tail /var/log/nginx/rackwright.log and error.log on the gateway"


def asked(planned: PlannedService, seen: Observation) -> Observation:
    """The answers about this service; none where it was not asked."""
    services = seen.get("services") or {}
    return services.get(planned.name) or {}
