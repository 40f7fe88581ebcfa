"""No memory errors that were not corrected, no rows waiting to be remapped."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.checks.results import CheckResult, PlannedServer, Status
from rackwright.checks.server.probed import Finding, Probed, conclude

_RESET = "drain the server and reset the GPU (`nvidia-smi --gpu-reset`) or reboot"
_REPLACE = "have the GPU replaced"
_REBOOT = "reboot, or put the mode back with `nvidia-smi --ecc-config`"


def check(planned: PlannedServer, probed: Probed) -> CheckResult:
    """CRITICAL for uncorrected errors and failed remapping; WARN for what a reset will settle."""
    findings = [
        finding for index in range(len(probed.gpus)) for finding in _findings(probed, index)
    ]
    return conclude(planned, "memory errors", probed, findings, "none uncorrected, none to remap")


def _findings(probed: Probed, index: int) -> Iterator[Finding]:
    if count := probed.read(index, "ecc_errors", "uncorrected", "volatile"):
        evidence = f"GPU {index}: {count} uncorrected since the driver was loaded"
        yield Finding(Status.CRITICAL, evidence, _RESET)
    if probed.read(index, "remapped_rows", "failure"):
        yield Finding(Status.CRITICAL, f"GPU {index}: a row could not be remapped", _REPLACE)
    if probed.read(index, "remapped_rows", "pending"):
        yield Finding(Status.WARN, f"GPU {index}: rows wait to be remapped", _RESET)
    mode = probed.read(index, "ecc_mode")
    if mode and mode["current"] != mode["pending"]:
        what = "on" if mode["pending"] else "off"
        yield Finding(Status.WARN, f"GPU {index}: ECC goes {what} at the next reset", _REBOOT)
