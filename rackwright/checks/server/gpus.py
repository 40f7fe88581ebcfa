"""As many GPUs as declared, of that type, with that memory."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.catalog import GpuType
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
    """CRITICAL for a GPU too few, lost, or of another kind; WARN for more than declared.

    Where indexes are declared, other GPUs are named and not judged.
    """
    probed = Probed(seen)
    kinds = ", ".join(f"{len(kind.indexes)} x {kind.gpu.name}" for kind in planned.kinds)
    others = "".join(f"; GPU {index} is {what}: left out" for index, what in _left_out(probed))
    return conclude(probed, list(_findings(planned, probed)), f"{kinds}{others}")


def _left_out(probed: Probed) -> list[tuple[object, object]]:
    return list((probed.seen.get("left_out") or {}).items())


def _findings(planned: PlannedServer, probed: Probed) -> Iterator[Finding]:
    there, declared = len(probed.gpus), planned.declared
    absent = sorted(index for index in declared if index >= there)
    if absent and planned.names_all:
        yield Finding(Status.CRITICAL, f"{there} of {planned.gpus} GPUs are there", _DECLARE)
    elif absent:
        names = ", ".join(map(str, absent))
        evidence = f"GPU {names} is not there, {there} GPUs are: indexes have moved"
        yield Finding(Status.CRITICAL, evidence, _DECLARE)
    if there > planned.gpus and planned.names_all:
        more = "".join(f"; GPU {index} is {what}" for index, what in _left_out(probed))
        evidence = f"{there} GPUs are there, {planned.gpus} are declared{more}"
        yield Finding(Status.WARN, evidence, _DECLARE)
    for index in sorted(declared.keys() - absent):
        if probed.gpus[index] is None:
            reason = probed.reason(f"gpus[{index}]") or "it does not answer"
            yield Finding(Status.CRITICAL, f"GPU {index} is lost ({reason})", _LOST)
        else:
            yield from _of_kind(declared[index], probed, index)


def _of_kind(declared: GpuType, probed: Probed, index: int) -> Iterator[Finding]:
    name = probed.read(index, "name")
    total_bytes = probed.read(index, "memory", "total_bytes")
    if name and not declared.is_named(name):
        evidence = f"GPU {index} is {name}, {declared.name} is declared"
        yield Finding(Status.CRITICAL, evidence, _DECLARE)
        return
    if declared.unified_memory and not total_bytes:
        total_bytes = (probed.seen.get("os") or {}).get("memory_total_bytes")
    expected = declared.memory_mib * _MIB
    if total_bytes and abs(total_bytes / expected - 1) > MEMORY_TOLERANCE:
        evidence = f"GPU {index} has {total_bytes // _MIB} MiB, {declared.memory_mib} expected"
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
