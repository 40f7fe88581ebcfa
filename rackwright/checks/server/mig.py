"""No GPU is cut into MIG slices: an engine that is given the GPU would get a slice or nothing."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER
from rackwright.checks.server.probed import SHOWS_GPUS, Probed, conclude

_OFF = "`nvidia-smi --multi-instance-gpu 0` with nothing running, then reset the GPU"


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL where MIG is on, WARN where it will be."""
    probed = Probed(seen)
    findings = []
    for index in range(len(probed.gpus)):
        mode = probed.read(index, "mig_mode")
        if mode and mode["current"]:
            findings.append(Finding(Status.CRITICAL, f"GPU {index}: MIG is on", _OFF))
        elif mode and mode["pending"]:
            evidence = f"GPU {index}: MIG goes on at the next reset"
            findings.append(Finding(Status.WARN, evidence, _OFF))
    return conclude(probed, findings, "off")


CHECK = Check(
    name="MIG",
    fine="off",
    judge=judge,
    healthy=SERVER,
    applies=SHOWS_GPUS,
    examples=(
        Example("MIG left on", Status.CRITICAL, {"gpus.0.mig_mode.current": True}),
        Example(
            "MIG that goes on at the next reset", Status.WARN, {"gpus.0.mig_mode.pending": True}
        ),
    ),
)
