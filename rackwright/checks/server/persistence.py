"""The driver stays loaded between clients."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER
from rackwright.checks.server.probed import SHOWS_GPUS, Probed, conclude

_START = "`systemctl enable --now nvidia-persistenced`"


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """WARN where it is off: engines wait for the driver to load, and its settings are lost."""
    probed = Probed(seen)
    off = [
        Finding(Status.WARN, f"GPU {index}: persistence mode is off", _START)
        for index in range(len(probed.gpus))
        if probed.read(index, "persistence_mode") is False
    ]
    return conclude(probed, off, "on")


CHECK = Check(
    name="persistence",
    fine="on",
    judge=judge,
    healthy=SERVER,
    applies=SHOWS_GPUS,
    examples=(Example("persistence mode off", Status.WARN, {"gpus.0.persistence_mode": False}),),
)
