"""Measured bandwidth between a replica's GPUs, beside what the catalog says of that link.

Not one of the checks of every run: measuring needs the GPUs' memory and time
(``rackwright bandwidth``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from rackwright.catalog import GpuType, Interconnect, Link, link
from rackwright.checks.results import CheckResult, Status
from rackwright.plan import Replica
from rackwright.planning.topology import Island

SIZES_BYTES = (1 << 20, 16 << 20, 256 << 20)
NEEDED_BYTES = 3 * SIZES_BYTES[-1] + (2 << 30)
"""Of each GPU: three of the largest transfer, and 2 GiB for CUDA and NCCL in two processes."""
FINE, POOR = 0.7, 0.4
"""Shares of the catalog's figure: below the first is WARN, below the second CRITICAL.

Two H200 reach 1.04 of it in an all-reduce of 256 MiB (tests/data/h200x2/p2p.txt), and what falls
back to PCIe, or to the host's memory, less than 0.3.
"""
_GIB = 1024**3
_MEND = "see the checks of links, PCIe and Xid errors; ACS and IOMMU settings slow PCIe down"
_STOP = "stop {name} (`systemctl stop {unit}`), measure, start it again"


@dataclass(frozen=True)
class Group:
    """GPUs of one server that a replica's ranks run on; ``islands`` are those of the server."""

    replica: Replica
    gpu: GpuType
    islands: tuple[Island, ...]

    @property
    def name(self) -> str:
        """As the replica is called."""
        return self.replica.name

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Neighbours, as places in the replica's list of GPUs."""
        return list(pairwise(range(len(self.replica.gpus))))

    def link(self, places: Sequence[int]) -> tuple[Interconnect, Link]:
        """The link between GPUs at these places: NVLink inside an island, else PCIe."""
        gpus = {self.replica.gpus[place] for place in places}
        joined = any(gpus <= set(island) for island in self.islands)
        kind: Interconnect = self.replica.server.interconnect if joined else "pcie"
        return kind, link(kind, self.gpu)

    def share(self, places: Sequence[int]) -> float:
        """Of the link's bandwidth: NVLink without a switch splits it over the island's GPUs."""
        kind, _ = self.link(places)
        island = self.gpu.nvlink.island if self.gpu.nvlink else 1
        if kind != "nvlink" or island < 2:
            return 1.0
        return min(1.0, (len(places) - 1) / (island - 1))

    def says(self, status: Status, evidence: str, remedy: str = "") -> CheckResult:
        """A result about this replica."""
        return CheckResult(
            "bandwidth", self.replica.server.name, self.name, status, evidence, remedy
        )


def refused(group: Group, unit: str, glance: Mapping[str, Any]) -> CheckResult | None:
    """UNKNOWN where the GPUs have no memory left to measure with; None where they have.

    ``glance`` is what ``probe.glance()`` answered.
    """
    gpus = glance.get("gpus") or ()
    for index in group.replica.gpus:
        memory = ((gpus[index] if index < len(gpus) else None) or {}).get("memory") or {}
        free = memory.get("free_bytes")
        if free is None:
            return group.says(Status.UNKNOWN, f"not measured: GPU {index} does not tell its memory")
        if free < NEEDED_BYTES:
            evidence = (
                f"not measured: GPU {index} has {free / _GIB:.1f} GiB free, "
                f"{NEEDED_BYTES / _GIB:.1f} are needed"
            )
            return group.says(Status.UNKNOWN, evidence, _STOP.format(name=group.name, unit=unit))
    return None


def judge(group: Group, measured: Mapping[str, Any]) -> CheckResult:
    """One row: the worst of the copies and the largest all-reduce, each with what is expected.

    ``measured`` is what ``remote/bandwidth.py`` answered of the group.
    """
    if "error" in measured:
        return group.says(Status.UNKNOWN, f"not measured: {measured['error']}", _MEND)
    rows = list(_rows(group, measured))
    if measured.get("device") != "cuda":
        words = ", ".join(f"{what} {got:.1f} GB/s" for what, got, _ in rows)
        return group.says(Status.UNKNOWN, f"between processes, without GPUs: {words}")
    if not rows:
        return group.says(Status.UNKNOWN, "nothing was measured")
    worst = min(got / expected for _, got, expected in rows)
    status = Status.OK if worst >= FINE else Status.WARN if worst >= POOR else Status.CRITICAL
    words = ", ".join(f"{what} {got:.0f} GB/s ({want:.0f} expected)" for what, got, want in rows)
    return group.says(status, words, "" if status is Status.OK else _MEND)


def _rows(group: Group, measured: Mapping[str, Any]) -> Iterator[tuple[str, float, float]]:
    """What was measured, GB/s, GB/s expected."""
    for copy in measured.get("copies") or ():
        places = copy["pair"]
        first, second = (group.replica.gpus[place] for place in places)
        kind, of = group.link(places)
        expected = of.bandwidth_gb_per_s * group.share(places)
        yield f"{kind} copy {first} to {second}", float(copy["gb_per_s"]), expected
    largest = max(
        measured.get("all_reduces") or (), key=lambda row: row["size_bytes"], default=None
    )
    if largest:
        places = range(len(group.replica.gpus))
        kind, of = group.link(places)
        near = min((n for n in of.all_reduce_gb_per_s if n >= len(places)), default=8)
        expected = of.all_reduce_gb_per_s[near] * group.share(places)
        size_mib = largest["size_bytes"] >> 20
        yield f"{kind} all-reduce of {size_mib} MiB", float(largest["gb_per_s"]), expected
