"""Servers and gateways, each value alone."""

from __future__ import annotations

import pytest

from tests.samples.faulty import (
    Cases,
    Hosts,
    faults,
    with_server,
)
from tests.samples.fleet import (
    hosts,
    server,
)

CASES: Cases = {
    "unknown key of a server": (
        with_server(interconect="pcie"),
        "servers[gpu1].interconect: is not a known key, did you mean 'interconnect'?",
    ),
    "unknown key inside": (
        with_server(gpus={"type": "h200-sxm-141gb", "count": 2, "cuont": 2}),
        "servers[gpu1].gpus.cuont: is not a known key, did you mean 'count'?",
    ),
    "too few GPUs": (
        with_server(gpus={"type": "h200-sxm-141gb", "count": 0}),
        "servers[gpu1].gpus.count: must be 1 to 16 (got 0)",
    ),
    "a count that is text": (
        with_server(gpus={"type": "h200-sxm-141gb", "count": "2"}),
        "servers[gpu1].gpus.count: must be a whole number (got '2')",
    ),
    "a count that is true": (
        with_server(gpus={"type": "h200-sxm-141gb", "count": True}),
        "servers[gpu1].gpus.count: must be a whole number (got True)",
    ),
    "lanes that are none": (
        with_server(gpus={"type": "h200-sxm-141gb", "count": 2, "pcie_lanes": 3}),
        "servers[gpu1].gpus.pcie_lanes: must be 1, 2, 4, 8 or 16 lanes, or a list of such, one for "
        "each GPU (got 3)",
    ),
    "lanes of one GPU that are true": (
        with_server(gpus={"type": "h200-sxm-141gb", "count": 2, "pcie_lanes": [16, True]}),
        "servers[gpu1].gpus.pcie_lanes: must be 1, 2, 4, 8 or 16 lanes, or a list of such, one for "
        "each GPU (got [16, True])",
    ),
    "lanes of no GPU": (
        with_server(gpus={"type": "h200-sxm-141gb", "count": 2, "pcie_lanes": []}),
        "servers[gpu1].gpus.pcie_lanes: must be 1, 2, 4, 8 or 16 lanes, or a list of such, one for "
        "each GPU (got [])",
    ),
    "a generation that is text": (
        with_server(gpus={"type": "h200-sxm-141gb", "count": 2, "pcie_generation": "gen3"}),
        "servers[gpu1].gpus.pcie_generation: must be 1, 2, 3, 4, 5 or 6 (a generation), or a list "
        "of such, one for each GPU (got 'gen3')",
    ),
    "missing": (
        hosts({"gpu1": {"gpus": {"type": "h200-sxm-141gb", "count": 1}}}),
        "servers[gpu1].address: is required",
    ),
    "not a dict": (with_server(gpus="8"), "servers[gpu1].gpus: must be a dict (got '8')"),
    "unknown interconnect": (
        hosts({"gpu1": server(link="NVLink")}),
        "servers[gpu1].interconnect: must be written 'nvlink' (got 'NVLink')",
    ),
    "no address at all": (
        with_server(address="10.20.0.300"),
        "servers[gpu1].address: must be an IPv4 address or a host name (got '10.20.0.300')",
    ),
    "a network of nothing": (
        with_server(network_gbit_per_s=0),
        "servers[gpu1].network_gbit_per_s: must be at least 1 (got 0)",
    ),
    "an interface that is none": (
        with_server(network_interface="eth0; reboot"),
        "servers[gpu1].network_interface: must be the name of a network interface, at most 15 "
        "characters (got 'eth0; reboot')",
    ),
    "RDMA devices that are none": (
        with_server(rdma_devices=["mlx5_0,mlx5_1"]),
        "servers[gpu1].rdma_devices[0]: must be the name of a device in /sys/class/infiniband, "
        "such as mlx5_0, or of one of its ports: mlx5_0:1 (got 'mlx5_0,mlx5_1')",
    ),
}


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_a_fault_is_named_with_path_rule_and_value(data: Hosts, expected: str) -> None:
    assert expected in faults(data)
