"""The replicas take the memory that was planned for them, and no GPU is about to run out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedServer, Tenant
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER
from rackwright.checks.server.probed import SHOWS_GPUS, Probed, conclude
from rackwright.checks.server.processes import units_of

TOLERANCE = 0.05
LEAST_SHARE = 0.8
"""Engines take their share of the memory at their start, so much less is a part that is missing."""
RESERVE_BYTES = 256 * 1024**2
"""Less than this is gone with the next allocation of CUDA or NCCL."""
_GIB = 1024**3
_LESS = (
    "lower `gpu_memory_utilization` or `max_num_seqs` of the service and deploy, or move what else "
    "runs on this GPU: the next large request may end the engine"
)
_MISSING = "part of the model is not on this GPU: see the unit's journal and `nvidia-smi`"


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL for a GPU with nothing left that the plan left free; WARN beyond the tolerance."""
    probed = Probed(seen)
    findings = [
        finding
        for gpu in sorted({tenant.gpu for tenant in planned.tenants})
        if gpu < len(probed.gpus) and planned.engines_use_gpus
        for finding in _findings(planned, probed, gpu)
    ]
    if planned.engines_use_gpus:
        fine = "as planned" if planned.tenants else "nothing planned here"
    else:
        fine = "engines without GPUs: none is planned"
    return conclude(probed, findings, fine)


def _findings(planned: PlannedServer, probed: Probed, gpu: int) -> Iterator[Finding]:
    tenants = [tenant for tenant in planned.tenants if tenant.gpu == gpu]
    total = probed.read(gpu, "memory", "total_bytes")
    free = probed.read(gpu, "memory", "free_bytes")
    if total and free is not None:
        left = total - sum(tenant.most_bytes for tenant in tenants)
        if free < RESERVE_BYTES < left:
            evidence = f"GPU {gpu}: {_gib(free)} free, {_gib(left)} planned: about to run out"
            yield Finding(Status.CRITICAL, evidence, _LESS)
    for tenant in tenants:
        yield from _of_tenant(tenant, probed.read(gpu, "processes") or ())


def _of_tenant(tenant: Tenant, processes: Any) -> Iterator[Finding]:
    own = [process for process in processes if tenant.unit in units_of(process)]
    if not own:
        return  # the check of the processes says so
    where = f"GPU {tenant.gpu}: {tenant.unit}"
    if any(_used(process) is None for process in own):
        evidence = f"{where}: the driver does not tell how much memory it has"
        yield Finding(Status.UNKNOWN, evidence, "see nvidia-smi on the host")
        return
    used = sum(_used(process) or 0 for process in own)
    words = f"{where} has {_gib(used)}, {_gib(tenant.most_bytes)} planned"
    if used > tenant.most_bytes * (1 + TOLERANCE) + tenant.margin_bytes:
        yield Finding(Status.WARN, f"{words}: a risk to run out", _LESS)
    elif tenant.even and used < tenant.most_bytes * LEAST_SHARE:
        yield Finding(Status.WARN, words, _MISSING)


def _used(process: Mapping[str, Any]) -> int | None:
    used = process.get("used_bytes")
    return used if isinstance(used, int) else None


def _gib(size_bytes: int) -> str:
    return f"{size_bytes / _GIB:.1f} GiB"


CHECK = Check(
    name="GPU memory",
    fine=(
        "the planned processes hold what was planned for them, within 5 %; the GPU has left what "
        "the plan leaves"
    ),
    judge=judge,
    healthy=SERVER,
    applies=SHOWS_GPUS,
    examples=(
        Example(
            "a process with more memory than planned",
            Status.WARN,
            {"gpus.0.processes.0.used_bytes": 130 << 30},
        ),
        Example(
            "a process with a fifth less memory than planned",
            Status.WARN,
            {"gpus.0.processes.0.used_bytes": 60 << 30},
        ),
        Example(
            "a GPU that is about to run out of memory",
            Status.CRITICAL,
            {"gpus.0.memory.free_bytes": 100 << 20},
        ),
    ),
)
