"""The way between two servers of a replica, as planned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rackwright.checks.observed import Observation, part_of


@dataclass(frozen=True)
class PlannedPath:
    """From a later rank's server (``peer``) to that of the first, ``host``, of one replica.

    ``gbit_per_s`` is what the plan believes; ``over_rdma``: devices are declared, and TCP is not
    what the ranks talk over.
    """

    KIND: ClassVar[str] = "way between servers of a replica"

    name: str
    host: str
    peer: str
    gbit_per_s: float
    over_rdma: bool = False

    def part_of(self, seen: Observation) -> Observation:
        """What was measured from the peer."""
        return {"transfer": part_of(seen, "between_servers", self.peer)}
