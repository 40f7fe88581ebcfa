"""As many GPUs as declared, of that type, with that memory."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER, h200
from rackwright.checks.server.probed import DRIVER_ANSWERS, Probed, conclude

MEMORY_TOLERANCE = 0.02
"""Drivers differ by some MiB in what they count; another card differs by GiB."""
_MIB = 1024**2
_DECLARE = "correct `gpus` in the inventory (`rackwright discover` prints it), or mend the server"
_LOST = "reset or reseat the GPU; `dmesg | grep Xid` tells more"


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL for a GPU too few, lost, or of another kind; WARN for more than declared."""
    probed = Probed(seen)
    fine = f"{planned.gpus} x {planned.gpu.name}"
    return conclude(probed, list(_findings(planned, probed)), fine)


def _findings(planned: PlannedServer, probed: Probed) -> Iterator[Finding]:
    there = len(probed.gpus)
    if there < planned.gpus:
        yield Finding(Status.CRITICAL, f"{there} of {planned.gpus} GPUs are there", _DECLARE)
    if there > planned.gpus:
        evidence = f"{there} GPUs are there, {planned.gpus} are declared"
        yield Finding(Status.WARN, evidence, _DECLARE)
    for index, gpu in enumerate(probed.gpus):
        if gpu is None:
            reason = probed.reason(f"gpus[{index}]") or "it does not answer"
            yield Finding(Status.CRITICAL, f"GPU {index} is lost ({reason})", _LOST)
            continue
        yield from _of_kind(planned, probed, index)


def _of_kind(planned: PlannedServer, probed: Probed, index: int) -> Iterator[Finding]:
    name = probed.read(index, "name")
    total_bytes = probed.read(index, "memory", "total_bytes")
    if name and not planned.gpu.is_named(name):
        evidence = f"GPU {index} is {name}, {planned.gpu.name} is declared"
        yield Finding(Status.CRITICAL, evidence, _DECLARE)
        return
    if planned.gpu.unified_memory and not total_bytes:
        total_bytes = (probed.seen.get("os") or {}).get("memory_total_bytes")
    expected = planned.gpu.memory_mib * _MIB
    if total_bytes and abs(total_bytes / expected - 1) > MEMORY_TOLERANCE:
        evidence = f"GPU {index} has {total_bytes // _MIB} MiB, {planned.gpu.memory_mib} expected"
        yield Finding(Status.CRITICAL, evidence, _DECLARE)


CHECK = Check(
    name="GPUs",
    fine="as many as declared, of that type, with that memory",
    judge=judge,
    healthy=SERVER,
    applies=DRIVER_ANSWERS,
    examples=(
        Example("a missing GPU", Status.CRITICAL, {"gpus": [h200(0)]}),
        Example("a lost GPU", Status.CRITICAL, {"gpus.0": None}),
        Example("another GPU", Status.CRITICAL, {"gpus.0.name": "NVIDIA L40S"}),
        Example("a GPU of another size", Status.CRITICAL, {"gpus.0.memory.total_bytes": 80 << 30}),
        Example("more GPUs than declared", Status.WARN, {"gpus": [h200(0), h200(1), h200(2)]}),
    ),
)
