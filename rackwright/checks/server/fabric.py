"""Where an NVSwitch joins the GPUs, its fabric manager has done its work."""

from __future__ import annotations

from rackwright.checks.results import CheckResult, PlannedServer, Status
from rackwright.checks.server.probed import Finding, Probed, conclude

_START = (
    "start nvidia-fabricmanager of exactly the driver's version and see its journal; CUDA fails "
    "with error 802 until it is done"
)
_STATES = {"not_started": "is not started", "in_progress": "is not done yet"}


def check(planned: PlannedServer, probed: Probed) -> CheckResult:
    """CRITICAL while the fabric is not completed; GPUs before Hopper do not tell."""
    findings, states = [], set()
    for index in range(len(probed.gpus)):
        fabric = probed.read(index, "fabric") or {}
        state, status = fabric.get("state"), fabric.get("status")
        if state in _STATES:
            evidence = f"GPU {index}: the fabric {_STATES[state]}"
            findings.append(Finding(Status.CRITICAL, evidence, _START))
        elif state == "completed" and status:
            evidence = f"GPU {index}: the fabric failed with NVML code {status}"
            findings.append(Finding(Status.CRITICAL, evidence, _START))
        states.add(str(state or "not supported").replace("_", " "))
    return conclude(planned, "fabric", probed, findings, ", ".join(sorted(states)))
