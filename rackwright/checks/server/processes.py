"""On the GPUs of the plan run the planned replicas, and nobody else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER, STRANGER, VLLM
from rackwright.checks.server.probed import SHOWS_GPUS, Probed, conclude

_GIB = 1024**3
_END = "end it, or take the GPU out of the service's `gpus`"
_MOVE = "see CUDA_VISIBLE_DEVICES in the replica's environment file, and the unit's journal"


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL for a process of somebody else, or for a replica that is not on its GPUs."""
    probed = Probed(seen)
    findings = [
        finding
        for gpu in sorted({tenant.gpu for tenant in planned.tenants})
        for finding in _findings(planned, probed, gpu)
    ]
    fine = "those of the plan" if planned.engines_use_gpus else "nobody else's"
    return conclude(probed, findings, fine)


def _findings(planned: PlannedServer, probed: Probed, gpu: int) -> Iterator[Finding]:
    if gpu >= len(probed.gpus):
        return
    found = probed.read(gpu, "processes")
    if found is None:
        return
    units = {tenant.unit for tenant in planned.tenants if tenant.gpu == gpu}
    for process in found:
        if not units & units_of(process):
            yield Finding(Status.CRITICAL, f"GPU {gpu}: {_named(process)} is not of the plan", _END)
    missing = units - {unit for process in found for unit in units_of(process)}
    for unit in sorted(missing) if planned.engines_use_gpus else ():
        yield Finding(Status.CRITICAL, f"GPU {gpu}: no process of {unit} uses it", _MOVE)


def units_of(process: Mapping[str, Any]) -> set[str]:
    """The parts of its control groups' paths, one of which is its unit's name."""
    return {part for group in process.get("cgroups") or () for part in group.split("/")}


def _named(process: Mapping[str, Any]) -> str:
    command = f" ({process['command']})" if process.get("command") else ""
    used = process.get("used_bytes")
    size = f" with {used / _GIB:.1f} GiB" if used else ""
    return f"process {process['pid']}{command}{size}"


CHECK = Check(
    name="processes",
    fine="on planned GPUs run the planned units' processes alone",
    judge=judge,
    healthy=SERVER,
    applies=SHOWS_GPUS,
    examples=(
        Example(
            "somebody else's process on a planned GPU",
            Status.CRITICAL,
            {"gpus.0.processes": [VLLM, STRANGER]},
        ),
        Example("a replica that is not on its GPU", Status.CRITICAL, {"gpus.1.processes": []}),
    ),
)
