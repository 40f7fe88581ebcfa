"""The kinds of thing a host can be asked to have. Values only: no I/O, no pyinfra.

Each item knows what it asks of the host (``query``), what it sends when the host differs
(``payload``), and how to tell a difference in words (``difference``). The host's half is
``remote/state.py``.
"""

from rackwright.desired.items.absent import Absent
from rackwright.desired.items.certificates import Certificate
from rackwright.desired.items.comparing import Change, differences, payload, query
from rackwright.desired.items.files import Directory, File, Symlink
from rackwright.desired.items.gateway_data import GatewayData
from rackwright.desired.items.item import Item
from rackwright.desired.items.manifest import Manifest
from rackwright.desired.items.nginx_limits import NginxLimits
from rackwright.desired.items.packages import Initramfs, Package, upstream_version
from rackwright.desired.items.turns import StepUnderWay
from rackwright.desired.items.units import NoOtherUnits, Unit
from rackwright.desired.items.users import User

__all__ = [
    "Absent",
    "Certificate",
    "Change",
    "Directory",
    "File",
    "GatewayData",
    "Initramfs",
    "Item",
    "Manifest",
    "NginxLimits",
    "NoOtherUnits",
    "Package",
    "StepUnderWay",
    "Symlink",
    "Unit",
    "User",
    "differences",
    "payload",
    "query",
    "upstream_version",
]
