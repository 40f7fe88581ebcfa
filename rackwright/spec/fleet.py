"""Everything that an inventory and its group data declare."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, SkipValidation

from rackwright.catalog import GpuType
from rackwright.models.spec import ModelSpec
from rackwright.schema.fields import Entry
from rackwright.spec.accepted import AcceptedFinding
from rackwright.spec.failover import FailoverSpec
from rackwright.spec.servers import GatewaySpec, ServerSpec
from rackwright.spec.services import ServiceSpec
from rackwright.spec.settings import Settings


class FleetSpec(Entry):
    """Everything declared, by name. ``settings`` is per host; ``models`` and ``gpu_types`` are the
    catalog's and the inventory's own; ``failover`` makes one of several gateways; ``accepted`` are
    findings that are known, by where they stand in the inventory (``accepted[0]``).
    """

    servers: dict[str, ServerSpec]
    gateways: dict[str, GatewaySpec]
    services: dict[str, ServiceSpec]
    models: SkipValidation[Mapping[str, ModelSpec]]
    gpu_types: dict[str, GpuType]
    settings: dict[str, Settings]
    failover: FailoverSpec | None = None
    accepted: dict[str, AcceptedFinding] = Field(default_factory=dict)

    def gpu_of(self, server: ServerSpec) -> GpuType:
        """The type of a server's GPUs, of the first where there are several.

        With the memory and the PCIe link that are declared of them.
        """
        return server.gpus.as_declared(self.gpu_types[server.gpus.type])

    def types_of(self, server: ServerSpec) -> tuple[GpuType, ...]:
        """The types of a server's GPUs, in the order of its ``kinds``."""
        return tuple(self.gpu_of(kind) for kind in server.kinds)
