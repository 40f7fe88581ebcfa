"""What the operator declares, as validated values; nothing is decided here."""

from rackwright.spec.fleet import FleetSpec
from rackwright.spec.servers import GatewaySpec, GpuSpec, OtherGpuSpec, ServerSpec
from rackwright.spec.services import OverflowSpec, QueueSpec, ServiceSpec, Target
from rackwright.spec.settings import Settings, SettingsModel

__all__ = [
    "FleetSpec",
    "GatewaySpec",
    "GpuSpec",
    "OtherGpuSpec",
    "OverflowSpec",
    "QueueSpec",
    "ServerSpec",
    "ServiceSpec",
    "Settings",
    "SettingsModel",
    "Target",
]
