"""A probe's answer, read by checks: what could not be read is a finding, not a guess."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rackwright.checks.check import When
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import Finding, Status

_NOT_THERE = "NVMLError_NotSupported"


class Probed:
    """What the probe saw of one host. ``unread`` gathers what a check asked for in vain."""

    def __init__(self, seen: Mapping[str, Any]) -> None:
        """``seen`` is the probe's whole answer."""
        self.seen = seen
        gpus = seen.get("gpus")
        self.gpus: list[dict[str, Any] | None] = [
            gpu if isinstance(gpu, dict) else None
            for gpu in (gpus if isinstance(gpus, list) else ())
        ]
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


def conclude(probed: Probed, findings: Sequence[Finding], fine: str) -> Finding:
    """The worst of the findings decides; all of them are the evidence. ``fine`` is said of none."""
    everything = [*findings, *probed.unread]
    if not any(probed.gpus):
        everything.append(Finding(Status.UNKNOWN, "no GPU was seen", "see the check of the driver"))
    if not everything:
        return Finding(Status.OK, fine)
    worst = max(everything, key=lambda finding: finding.status)
    return worst._replace(evidence="; ".join(finding.evidence for finding in everything))


def _answers(planned: PlannedServer, seen: Observation) -> bool:
    return bool(seen.get("nvml"))


def _shows_gpus(planned: PlannedServer, seen: Observation) -> bool:
    return _answers(planned, seen) and any(Probed(seen).gpus)


DRIVER_ANSWERS = When("whose driver answers", _answers)
SHOWS_GPUS = When("whose driver shows a GPU", _shows_gpus)
"""What is wrong with all of them is said once, not once a check."""
