"""Servers against the catalog and the other hosts."""

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

L40S = {"type": "l40s-48gb", "count": 2}
CASES: Cases = {
    "unknown GPU type": (
        with_server(gpus={"type": "h100-smx-80gb", "count": 2}),
        "servers[gpu1].gpus.type: is not a known GPU type, did you mean 'h100-sxm-80gb'? "
        "(got 'h100-smx-80gb')",
    ),
    "interconnect the GPU cannot have": (
        hosts({"gpu1": server(gpu="l40s-48gb", link="nvlink")}),
        "servers[gpu1].interconnect: NVIDIA L40S has pcie only (got 'nvlink')",
    ),
    "a switch on a card": (
        hosts({"gpu1": server(gpu="h100-pcie-80gb", link="nvswitch")}),
        "servers[gpu1].interconnect: NVIDIA H100 PCIe has nvlink, pcie only (got 'nvswitch')",
    ),
    "a fabric manager of a host without a switch": (
        hosts({"gpu1": {**server(link="pcie"), "fabric_manager": "host"}}),
        "servers[gpu1].fabric_manager: must be left out where interconnect is not nvswitch "
        "(got 'host')",
    ),
    "a fabric manager of nobody": (
        hosts({"gpu1": {**server(link="nvswitch"), "fabric_manager": "guest"}}),
        "servers[gpu1].fabric_manager: must be one of own, host (got 'guest')",
    ),
    "no interconnect for several": (
        hosts({"gpu1": server(link="none")}),
        "servers[gpu1].interconnect: must be pcie, nvlink or nvswitch for 2 GPUs (got 'none')",
    ),
    "lanes of more GPUs than there are": (
        with_server(gpus={"type": "h200-sxm-141gb", "count": 2, "pcie_lanes": [16, 8, 8]}),
        "servers[gpu1].gpus.pcie_lanes: must be one for all GPUs, or 2, one for each "
        "(got [16, 8, 8])",
    ),
    "a generation that the card does not have": (
        hosts({"gpu1": {**server(link="pcie"), "gpus": {**L40S, "pcie_generation": [4, 5]}}}),
        "servers[gpu1].gpus.pcie_generation: must be at most 4, which NVIDIA L40S has (got 5)",
    ),
    "every address": (
        with_server(address="0.0.0.0"),
        "servers[gpu1].address: must be one address, not all of them (got '0.0.0.0')",
    ),
    "loopback from afar": (
        with_server(address="127.0.0.1"),
        "servers[gpu1].address: must be reachable from the gateways, this is the server's own "
        "loopback (got '127.0.0.1')",
    ),
    "an island that claims a GPU twice": (
        with_server(nvlink_islands=[[0, 1], [1]]),
        "servers[gpu1].nvlink_islands: must name GPUs 0 to 1, each at most once; "
        "gpus.indexes declares others (got ((0, 1), (1,)))",
    ),
    "islands without NVLink": (
        hosts({"gpu1": {**server(link="pcie"), "nvlink_islands": [[0, 1]]}}),
        "servers[gpu1].nvlink_islands: must be left out where interconnect is not nvlink "
        "(got ((0, 1),))",
    ),
    "a NUMA node that is left out": (
        with_server(numa_nodes=[[0]]),
        "servers[gpu1].numa_nodes: must name all 2 GPUs (got ((0,),))",
    ),
}


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_a_fault_is_named_with_path_rule_and_value(data: Hosts, expected: str) -> None:
    assert expected in faults(data)
