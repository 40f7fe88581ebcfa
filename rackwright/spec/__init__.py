"""What the operator declares, as validated values; nothing is decided here."""

from rackwright.spec.failover import FailoverSpec
from rackwright.spec.fleet import FleetSpec
from rackwright.spec.servers import GatewaySpec, GpuSpec, OtherGpuSpec, ServerSpec
from rackwright.spec.services import ServiceSpec, Target
from rackwright.spec.settings import Settings, SettingsModel

__all__ = [
    "FailoverSpec",
    "FleetSpec",
    "GatewaySpec",
    "GpuSpec",
    "OtherGpuSpec",
    "ServerSpec",
    "ServiceSpec",
    "Settings",
    "SettingsModel",
    "Target",
]
