"""The driver stays loaded between clients."""

from __future__ import annotations

from rackwright.checks.results import CheckResult, PlannedServer, Status
from rackwright.checks.server.probed import Finding, Probed, conclude

_START = "`systemctl enable --now nvidia-persistenced`"


def check(planned: PlannedServer, probed: Probed) -> CheckResult:
    """WARN where it is off: engines wait for the driver to load, and its settings are lost."""
    off = [
        Finding(Status.WARN, f"GPU {index}: persistence mode is off", _START)
        for index in range(len(probed.gpus))
        if probed.read(index, "persistence_mode") is False
    ]
    return conclude(planned, "persistence", probed, off, "on")
