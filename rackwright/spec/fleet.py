"""Everything that an inventory and its group data declare."""

from __future__ import annotations

from rackwright.models.spec import ModelSpec
from rackwright.schema.fields import Entry
from rackwright.spec.servers import GatewaySpec, ServerSpec
from rackwright.spec.services import ServiceSpec
from rackwright.spec.settings import Settings


class FleetSpec(Entry):
    """Everything declared, by name. ``settings`` is per host; ``models`` is catalog and own."""

    servers: dict[str, ServerSpec]
    gateways: dict[str, GatewaySpec]
    services: dict[str, ServiceSpec]
    models: dict[str, ModelSpec]
    settings: dict[str, Settings]
