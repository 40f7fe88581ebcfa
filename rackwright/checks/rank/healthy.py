"""The first rank of a replica over two servers that RoCE joins, on which all is well."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from rackwright.checks.check import Sample, When
from rackwright.checks.observed import Observation, part_of
from rackwright.checks.planned import PlannedRank
from rackwright.checks.replica.healthy import UNIT

START = "9b1f4e0a6c5d4a3f8e7d2c1b0a998877"
PORT: dict[str, Any] = {
    "device": "mlx5_0",
    "port": 1,
    "state": "ACTIVE",
    "physical": "LinkUp",
    "gbit_per_s": 100.0,
    "link_layer": "Ethernet",
    "gids": [
        {
            "gid": "0000:0000:0000:0000:0000:ffff:c000:020b",
            "type": "RoCE v2",
            "interface": "bond0",
        }
    ],
}
INTERFACE = {"name": "bond0", "state": "up", "mtu": 9000, "mbit_per_s": 100_000}
NETWORK = {"interface": INTERFACE, "rdma": [PORT]}
OTHER = {"rank": {"noted": {"epoch": START}}, "network": deepcopy(NETWORK)}
RANK = Sample(
    PlannedRank(
        name="chat-gpu1-0",
        host="gpu1",
        unit=UNIT,
        rank=0,
        servers=("gpu1", "gpu2"),
        gbit_per_s=100,
    ),
    {
        "rank": {
            "unit": {"ActiveState": "active", "SubState": "running", "InvocationID": START},
            "noted": {"start": START, "epoch": START, "members": {"1": "8d0c"}},
        },
        "network": NETWORK,
        "others": {"gpu2": OTHER},
    },
)


def ports_of(seen: Observation) -> list[Observation]:
    """The InfiniBand and RoCE ports of a host, by what was observed of it."""
    found = part_of(seen, "network").get("rdma")
    return [part_of(port) for port in found] if isinstance(found, list) else []


def _over_rdma(planned: PlannedRank, seen: Observation) -> bool:
    if planned.rdma_devices is not None:
        return bool(planned.rdma_devices)
    return bool(ports_of(seen))


OVER_RDMA = When[PlannedRank]("over InfiniBand or RoCE", _over_rdma)


def too_slow(planned: PlannedRank, gbit_per_s: float) -> bool:
    """Whether it is so much slower than planned that something is wrong: half of it, or less."""
    return gbit_per_s <= planned.gbit_per_s / 2
