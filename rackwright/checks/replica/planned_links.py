"""The links that a replica's ranks talk over, as planned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from rackwright.catalog import GpuType, Interconnect, Link, link
from rackwright.checks.observed import Observation, part_of
from rackwright.planning.topology import Island


@dataclass(frozen=True)
class PlannedLinks:
    """What joins the GPUs of one server that a replica's ranks run on.

    ``gpus`` are indexes, ``islands`` those of the whole server.
    """

    KIND: ClassVar[str] = "links of a replica"

    name: str
    host: str
    unit: str
    engine: str
    gpus: tuple[int, ...]
    gpu: GpuType
    interconnect: Interconnect
    islands: tuple[Island, ...]

    def part_of(self, seen: Observation) -> Observation:
        """What was measured of these links."""
        return part_of(seen, "bandwidth", self.name)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Neighbours, as places in the replica's list of GPUs."""
        return list(pairwise(range(len(self.gpus))))

    def link(self, places: Sequence[int]) -> tuple[Interconnect, Link]:
        """The link between GPUs at these places: NVLink inside an island, else PCIe."""
        gpus = {self.gpus[place] for place in places}
        joined = any(gpus <= set(island) for island in self.islands)
        kind: Interconnect = self.interconnect if joined else "pcie"
        return kind, link(kind, self.gpu)

    def share(self, places: Sequence[int]) -> float:
        """Of the link's bandwidth: NVLink without a switch splits it over the island's GPUs."""
        kind, _ = self.link(places)
        island = self.gpu.nvlink.island if self.gpu.nvlink else 1
        if kind != "nvlink" or island < 2:
            return 1.0
        return min(1.0, (len(places) - 1) / (island - 1))
