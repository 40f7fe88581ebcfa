"""Where an NVSwitch joins the GPUs, its fabric manager has done its work."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER
from rackwright.checks.server.probed import SHOWS_GPUS, Probed, conclude

_START = (
    "start nvidia-fabricmanager of exactly the driver's version and see its journal; CUDA fails "
    "with error 802 until it is done"
)
_STATES = {"not_started": "is not started", "in_progress": "is not done yet"}


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL while the fabric is not completed; GPUs before Hopper do not tell."""
    probed = Probed(seen)
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
    return conclude(probed, findings, ", ".join(sorted(states)))


CHECK = Check(
    name="fabric",
    fine="completed, or not there",
    judge=judge,
    healthy=SERVER,
    applies=SHOWS_GPUS,
    examples=(
        Example(
            "a fabric that is not started", Status.CRITICAL, {"gpus.0.fabric.state": "not_started"}
        ),
        Example("a fabric in progress", Status.CRITICAL, {"gpus.0.fabric.state": "in_progress"}),
        Example("a fabric that failed", Status.CRITICAL, {"gpus.0.fabric.status": 999}),
    ),
)
