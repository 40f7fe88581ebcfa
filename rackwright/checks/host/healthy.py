"""A host on which all is well: what checks of a host are tried on."""

from __future__ import annotations

from typing import Any

from rackwright.checks.check import Sample
from rackwright.checks.planned import Folder, PlannedHost
from rackwright.planning.firewall import Firewall

_GIB = 1024**3


def room(free_gib: float, device: int = 1) -> dict[str, Any]:
    """A disk of 500 GiB as it is observed."""
    return {"device": device, "free_bytes": int(free_gib * _GIB), "total_bytes": 500 * _GIB}


HOST = Sample(
    PlannedHost(
        "gpu1",
        (
            Folder("/var/log", "logs", _GIB),
            Folder("/opt/rackwright", "releases", 10 * _GIB),
            Folder("/var/lib/rackwright/models", "weights", 30 * _GIB),
        ),
        Firewall("engines", (8000,), gateways=("192.0.2.10", "192.0.2.20")),
        watched=("chat-gpu1-0",),
    ),
    {
        "asked": {"sent_unix_s": 100.0, "received_unix_s": 110.0},
        "time_unix_s": 109.8,
        "elapsed_s": 9.5,
        "disks": {
            "/var/log": room(100),
            "/opt/rackwright": room(100),
            "/var/lib/rackwright/models": room(100, device=2),
        },
    },
)
