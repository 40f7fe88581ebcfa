"""A server's GPUs as they are burned in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from rackwright.catalog import GpuType
from rackwright.checks.check import When
from rackwright.checks.observed import Observation, part_of
from rackwright.checks.results import Finding, Status

BY_RETURN = When[Any]("by `rackwright return` alone", lambda planned, seen: True)
REPLACE = "replace the GPU; until then take it out of the inventory (`indexes`)"


@dataclass(frozen=True)
class PlannedBurnIn:
    """The GPUs of a server that are declared, by index; ``uses_gpus``: torch's build there does.

    Without, the same is done on CPUs, one process for each GPU.
    """

    KIND: ClassVar[str] = "burn-in of a server"

    host: str
    gpus: Mapping[int, GpuType]
    uses_gpus: bool = True

    @property
    def name(self) -> str:
        """What its results are about: the server."""
        return self.host

    def part_of(self, seen: Observation) -> Observation:
        """What ``remote/burn_in.py`` answered."""
        return part_of(seen, "burn_in")

    def each(self, seen: Observation) -> Iterator[tuple[int, Observation]]:
        """What was found of each GPU; nothing where it was not burned in."""
        for index in self.gpus:
            yield index, part_of(seen, "gpus", str(index))


def unmeasured(planned: PlannedBurnIn, seen: Observation) -> list[Finding]:
    """GPUs that did not come to the end: CRITICAL with what they said, UNKNOWN where nothing is."""
    found = []
    for index, gpu in planned.each(seen):
        if "error" in gpu:
            words = f"GPU {index} failed: {gpu['error']}"
            found.append(Finding(Status.CRITICAL, words, f"see the kernel's log; {REPLACE}"))
        elif not gpu:
            found.append(Finding(Status.UNKNOWN, f"GPU {index} was not burned in", "run it again"))
    return found


def worst_of(findings: list[Finding], fine: str) -> Finding:
    """The worst decides, all of them are the evidence; ``fine`` is said where there is none."""
    if not findings:
        return Finding(Status.OK, fine)
    worst = max(findings, key=lambda one: one.status)
    return worst._replace(evidence="; ".join(one.evidence for one in findings))
