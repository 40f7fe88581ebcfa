"""Every GPU has the PCIe lanes and the generation that it can have."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER
from rackwright.checks.server.probed import SHOWS_GPUS, Probed, conclude

_MEND = "reseat the GPU and its riser, check the slot's settings in the firmware"
_SLOT = "move the GPU to a faster slot, or know that loading models and PCIe traffic take longer"
_BUSY = "an idle GPU may save power so; this one works: check riser, slot and ASPM settings"


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL for fewer lanes than slot and GPU could have, or a slower link while it works.

    WARN where the slot is what limits the GPU.
    """
    probed = Probed(seen)
    findings = [
        finding for index in range(len(probed.gpus)) for finding in _findings(probed, index)
    ]
    return conclude(probed, findings, _fine(probed))


def _fine(probed: Probed) -> str:
    kinds = {
        f"generation {gpu['pcie']['max_generation']} x{gpu['pcie']['max_width']}"
        for gpu in probed.gpus
        if gpu and gpu.get("pcie")
    }
    return ", ".join(sorted(kinds))


def _findings(probed: Probed, index: int) -> Iterator[Finding]:
    width = probed.read(index, "pcie", "width")
    most_lanes = probed.read(index, "pcie", "max_width")
    if width and most_lanes and width < most_lanes:
        yield Finding(Status.CRITICAL, f"GPU {index} has x{width} of x{most_lanes}", _MEND)
    now = probed.read(index, "pcie", "generation")
    most = probed.read(index, "pcie", "max_generation")
    idle = "gpu_idle" in (probed.read(index, "throttle_reasons") or ())
    if now and most and now < most and not idle:
        evidence = f"GPU {index} runs at generation {now} of {most} while it works"
        yield Finding(Status.CRITICAL, evidence, _BUSY)
    able = probed.read(index, "pcie", "gpu_max_generation")
    if most and able and most < able:
        evidence = f"GPU {index} could do generation {able}, its slot does {most}"
        yield Finding(Status.WARN, evidence, _SLOT)


CHECK = Check(
    name="PCIe",
    fine="each GPU has the lanes and the generation that it can have",
    judge=judge,
    healthy=SERVER,
    applies=SHOWS_GPUS,
    examples=(
        Example("x4 instead of x16", Status.CRITICAL, {"gpus.0.pcie.width": 4}),
        Example(
            "generation 3 while it works",
            Status.CRITICAL,
            {"gpus.0.pcie.generation": 3, "gpus.0.throttle_reasons": []},
        ),
        Example(
            "a slot of generation 3 for a GPU of generation 5",
            Status.WARN,
            {"gpus.0.pcie.generation": 3, "gpus.0.pcie.max_generation": 3},
        ),
    ),
)
