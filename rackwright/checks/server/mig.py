"""No GPU is cut into MIG slices: an engine that is given the GPU would get a slice or nothing."""

from __future__ import annotations

from rackwright.checks.results import CheckResult, PlannedServer, Status
from rackwright.checks.server.probed import Finding, Probed, conclude

_OFF = "`nvidia-smi --multi-instance-gpu 0` with nothing running, then reset the GPU"


def check(planned: PlannedServer, probed: Probed) -> CheckResult:
    """CRITICAL where MIG is on, WARN where it will be."""
    findings = []
    for index in range(len(probed.gpus)):
        mode = probed.read(index, "mig_mode")
        if mode and mode["current"]:
            findings.append(Finding(Status.CRITICAL, f"GPU {index}: MIG is on", _OFF))
        elif mode and mode["pending"]:
            evidence = f"GPU {index}: MIG goes on at the next reset"
            findings.append(Finding(Status.WARN, evidence, _OFF))
    return conclude(planned, "MIG", probed, findings, "off")
