"""No memory errors that were not corrected, no rows waiting to be remapped."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import GpuSettings, PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER
from rackwright.checks.server.probed import SHOWS_GPUS, Probed, conclude

_RESET = "drain the server and reset the GPU (`nvidia-smi --gpu-reset`) or reboot"
_REPLACE = "have the GPU replaced"
_REBOOT = "reboot, or put the mode back with `nvidia-smi --ecc-config`"
_SET = (
    "`systemctl restart rackwright-gpu-settings.service`, then reboot; its journal says why it "
    "could not; or correct `ecc` of `gpus` in the inventory"
)


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL for uncorrected errors and failed remapping; WARN for what a reset will settle.

    WARN also for ECC that is not as declared.
    """
    probed = Probed(seen)
    findings = [
        finding
        for index, gpu in enumerate(probed.gpus)
        if gpu
        for finding in (*_findings(probed, index), *_mode(planned, probed, index))
    ]
    return conclude(probed, findings, "none uncorrected, none to remap")


def _findings(probed: Probed, index: int) -> Iterator[Finding]:
    if count := probed.read(index, "ecc_errors", "uncorrected", "volatile"):
        evidence = f"GPU {index}: {count} uncorrected since the driver was loaded"
        yield Finding(Status.CRITICAL, evidence, _RESET)
    if probed.read(index, "remapped_rows", "failure"):
        yield Finding(Status.CRITICAL, f"GPU {index}: a row could not be remapped", _REPLACE)
    if probed.read(index, "remapped_rows", "pending"):
        yield Finding(Status.WARN, f"GPU {index}: rows wait to be remapped", _RESET)


def _mode(planned: PlannedServer, probed: Probed, index: int) -> Iterator[Finding]:
    """ECC is as it will be after the next reset, and as it is declared."""
    mode, declared = probed.read(index, "ecc_mode"), planned.settings_of(index).ecc
    if mode and mode["current"] != mode["pending"]:
        evidence = f"GPU {index}: ECC goes {_said(mode['pending'])} at the next reset"
        yield Finding(Status.WARN, evidence, _REBOOT)
    elif mode and declared is not None and mode["current"] != declared:
        evidence = f"GPU {index}: ECC is {_said(mode['current'])}, {_said(declared)} is declared"
        yield Finding(Status.WARN, evidence, _SET)
    elif not mode and declared:
        yield Finding(Status.WARN, f"GPU {index} shows no ECC, on is declared", _SET)


def _said(on: bool) -> str:
    return "on" if on else "off"


CHECK = Check(
    name="memory errors",
    fine="none uncorrected since the driver was loaded, no row to remap; ECC is as declared",
    judge=judge,
    healthy=SERVER,
    applies=SHOWS_GPUS,
    examples=(
        Example(
            "uncorrected memory errors",
            Status.CRITICAL,
            {"gpus.0.ecc_errors.uncorrected.volatile": 7},
        ),
        Example(
            "a row that cannot be remapped", Status.CRITICAL, {"gpus.0.remapped_rows.failure": True}
        ),
        Example("rows to remap", Status.WARN, {"gpus.0.remapped_rows.pending": True}),
        Example(
            "ECC that changes at the next reset", Status.WARN, {"gpus.0.ecc_mode.pending": False}
        ),
        Example(
            "ECC that is not as declared",
            Status.WARN,
            planned={"gpu_settings": {0: GpuSettings(ecc=False)}},
        ),
    ),
)
