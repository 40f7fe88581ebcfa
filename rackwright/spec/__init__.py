"""What the operator declares, as validated values; nothing is decided here."""

from rackwright.spec.accepted import AcceptedFinding
from rackwright.spec.acme import AcmeSpec
from rackwright.spec.failover import FailoverSpec
from rackwright.spec.fleet import FleetSpec
from rackwright.spec.servers import GatewaySpec, GpuSpec, OtherGpuSpec, ServerSpec
from rackwright.spec.services import OverflowSpec, QueueSpec, ServiceSpec, Target
from rackwright.spec.settings import Settings, SettingsModel

__all__ = [
    "AcceptedFinding",
    "AcmeSpec",
    "FailoverSpec",
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
