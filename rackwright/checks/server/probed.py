"""A probe's answer, read by checks: what could not be read is a finding, not a guess."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rackwright.checks.results import CheckResult, PlannedServer, Status

_SEVERITY = (Status.OK, Status.WARN, Status.UNKNOWN, Status.CRITICAL)
_NOT_THERE = "NVMLError_NotSupported"


class Finding(NamedTuple):
    """One thing that is not as it should be."""

    status: Status
    evidence: str
    remedy: str


class Probed:
    """What the probe saw of one host. ``unread`` gathers what a check asked for in vain."""

    def __init__(self, seen: Mapping[str, Any]) -> None:
        """``seen`` is the probe's whole answer."""
        self.seen = seen
        self.gpus: list[dict[str, Any] | None] = list(seen.get("gpus") or ())
        self.unread: list[Finding] = []

    def reason(self, path: str) -> str:
        """Why the value at ``path``, or all that it belongs to, could not be read."""
        reasons = self.seen.get("unavailable") or {}
        while path:
            if path in reasons:
                return str(reasons[path])
            path = path.rpartition(".")[0]
        return ""

    def read(self, gpu: int, *keys: str) -> Any:
        """A value of a GPU; None for one that is lost, or lacks what is asked about.

        Any other value that could not be read is noted as UNKNOWN.
        """
        value: Any = self.gpus[gpu]
        if value is None:
            return None  # the check of the GPUs themselves says so
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        reason = self.reason(f"gpus[{gpu}].{'.'.join(keys)}") if value is None else ""
        if reason and not reason.startswith(_NOT_THERE):
            evidence = f"GPU {gpu}: {' '.join(keys)} could not be read ({reason})"
            remedy = "see nvidia-smi -q on the host"
            self.unread.append(Finding(Status.UNKNOWN, evidence, remedy))
        return value


def conclude(
    planned: PlannedServer, check: str, probed: Probed, findings: list[Finding], fine: str
) -> CheckResult:
    """The worst of the findings decides; all of them are the evidence. ``fine`` is said of none."""
    everything = [*findings, *probed.unread]
    probed.unread = []
    if not any(probed.gpus):
        everything.append(Finding(Status.UNKNOWN, "no GPU was seen", "see the check of the driver"))
    if not everything:
        return planned.says(check, Status.OK, fine)
    worst = max(everything, key=lambda finding: _SEVERITY.index(finding.status))
    evidence = "; ".join(finding.evidence for finding in everything)
    return planned.says(check, worst.status, evidence, worst.remedy)
