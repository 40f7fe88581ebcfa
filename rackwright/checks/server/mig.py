"""GPUs are whole, or cut into MIG slices, as declared: of a cut one an engine gets a slice."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import GpuSettings, PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER
from rackwright.checks.server.probed import SHOWS_GPUS, Probed, conclude

_SET = "`nvidia-smi --multi-instance-gpu {number}` with nothing running, then reset the GPU"


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL where MIG is on and not declared, or the other way round; WARN where it will be."""
    probed = Probed(seen)
    there = [index for index, gpu in enumerate(probed.gpus) if gpu]
    findings = [finding for index in there for finding in _findings(planned, probed, index)]
    modes = {_said(planned.settings_of(index).mig) for index in there}
    return conclude(probed, findings, ", ".join(sorted(modes)))


def _findings(planned: PlannedServer, probed: Probed, index: int) -> Iterator[Finding]:
    declared = planned.settings_of(index).mig
    mode = probed.read(index, "mig_mode") or {"current": False, "pending": False}  # has none
    remedy = _SET.format(number=int(declared))
    words = f", {_said(declared)} is declared" if declared else ""
    if bool(mode["current"]) != declared:
        evidence = f"GPU {index}: MIG is {_said(mode['current'])}{words}"
        yield Finding(Status.CRITICAL, evidence, remedy)
    elif bool(mode["pending"]) != declared:
        evidence = f"GPU {index}: MIG goes {_said(mode['pending'])} at the next reset{words}"
        yield Finding(Status.WARN, evidence, remedy)


def _said(on: bool) -> str:
    return "on" if on else "off"


CHECK = Check(
    name="MIG",
    fine="off, or on where that is declared",
    judge=judge,
    healthy=SERVER,
    applies=SHOWS_GPUS,
    examples=(
        Example("MIG left on", Status.CRITICAL, {"gpus.0.mig_mode.current": True}),
        Example(
            "MIG that is declared and off",
            Status.CRITICAL,
            planned={"gpu_settings": {0: GpuSettings(mig=True)}},
        ),
        Example(
            "MIG that goes on at the next reset", Status.WARN, {"gpus.0.mig_mode.pending": True}
        ),
    ),
)
