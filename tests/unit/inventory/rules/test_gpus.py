"""GPUs by index and by type: declared twice, not at all, or joined as they cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.inventory.reading import load_fleet
from tests.samples.faulty import Cases, Hosts, faults
from tests.samples.fleet import hosts, server, service


def box(gpus: dict[str, Any], link: str = "pcie", gpu: str = "l40s-48gb", **more: Any) -> Hosts:
    given = {**server(gpu=gpu, link=link), **more}
    given["gpus"] = {**given["gpus"], **gpus}
    return hosts({"gpu1": given})


L4 = {"type": "l4-24gb", "count": 1, "indexes": [2]}
CASES: Cases = {
    "an index twice": (
        box({"indexes": [1, 1]}),
        "servers[gpu1].gpus.indexes: must name GPUs each at most once (got (1, 1))",
    ),
    "fewer than count": (
        box({"indexes": [1]}),
        "servers[gpu1].gpus.indexes: must name 2 GPUs, as count says (got (1,))",
    ),
    "a negative one": (
        box({"indexes": [-1, 1]}),
        "servers[gpu1].gpus.indexes[0]: must be greater than or equal to 0 (got -1)",
    ),
    "one that no server has": (
        box({"indexes": [0, 10**9]}),
        "servers[gpu1].gpus.indexes[1]: must be less than or equal to 63 (got 1000000000)",
    ),
    "an index of two types": (
        box({}, other_gpus=[{**L4, "indexes": [1]}]),
        "servers[gpu1].other_gpus: must be of GPUs that are not named already: give each type its "
        "indexes (got 'GPU 1')",
    ),
    "another type without indexes": (
        box({}, other_gpus=[{"type": "l4-24gb", "count": 1}]),
        "servers[gpu1].other_gpus: must be of GPUs that are not named already",
    ),
    "another type that is not known": (
        box({}, other_gpus=[{**L4, "type": "l5-24gb"}]),
        "servers[gpu1].other_gpus[0].type: is not a known GPU type, did you mean 'l4-24gb'?",
    ),
    "another type that cannot be joined so": (
        box({}, other_gpus=[{**L4, "interconnect": "nvlink"}]),
        "servers[gpu1].other_gpus[0].interconnect: NVIDIA L4 has pcie only (got 'nvlink')",
    ),
    "several of another type": (
        box({}, other_gpus=[{**L4, "count": 2, "indexes": [2, 3]}]),
        "servers[gpu1].other_gpus[0].interconnect: must be pcie, nvlink or nvswitch for 2 GPUs",
    ),
    "nodes of a card that is not declared": (
        box({"indexes": [1, 2]}, numa_nodes=[[0, 1], [2]]),
        "servers[gpu1].numa_nodes: must name GPUs 1, 2, each at most once; "
        "gpus.indexes declares others (got ((0, 1), (2,)))",
    ),
    "islands of more GPUs than count says": (
        box({}, "nvlink", "rtx-3090-24gb", nvlink_islands=[[1, 2]]),
        "servers[gpu1].nvlink_islands: must name GPUs 0 to 1, each at most once; "
        "gpus.indexes declares others (got ((1, 2),))",
    ),
    "nodes without those of another type": (
        box({}, numa_nodes=[[0], [1]], other_gpus=[L4]),
        "servers[gpu1].numa_nodes: must name all 3 GPUs (got ((0,), (1,)))",
    ),
    "an island of two types": (
        box(
            {},
            "nvlink",
            "rtx-3090-24gb",
            nvlink_islands=[[1, 2]],
            other_gpus=[
                {
                    "type": "rtx-a6000-48gb",
                    "count": 2,
                    "indexes": [2, 3],
                    "interconnect": "nvlink",
                }
            ],
        ),
        "servers[gpu1].nvlink_islands: must each name GPUs of one type (got ((1, 2),))",
    ),
    "some of bridged pairs": (
        box({"count": 3, "indexes": [0, 2, 3]}, "nvlink", "rtx-3090-24gb"),
        "servers[gpu1].nvlink_islands: is required beside indexes: NVLink joins up to 2 NVIDIA "
        "GeForce RTX 3090",
    ),
}


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_a_fault_is_named_with_path_rule_and_value(data: Hosts, expected: str) -> None:
    assert any(fault.startswith(expected) for fault in faults(data)), faults(data)


MIXED = {**server(gpu="l40s-48gb", link="pcie"), "other_gpus": [L4]}


@pytest.mark.parametrize(
    ("gpus", "words"),
    [
        ([1, 2], "services[chat].gpus[gpu1]: must be of one type: 0 to 1 (l40s-48gb); 2 (l4-24gb)"),
        ([3], "services[chat].gpus[gpu1]: must be 0 to 2 on gpu1 (got (3,))"),
    ],
)
def test_a_service_has_gpus_of_one_type(gpus: list[int], words: str) -> None:
    chat = service(gpus={"gpu1": gpus})
    found = faults(hosts({"gpu1": MIXED}, {"chat": chat}))
    assert any(fault.startswith(words) for fault in found), found


def test_mig_is_refused_where_a_service_has_those_gpus() -> None:
    sliced = {**MIXED, "other_gpus": [{**L4, "mig": True}]}
    assert load_fleet(hosts({"gpu1": sliced}, {"chat": service()}))
    with pytest.raises(SpecError, match=r"servers\[gpu1\].other_gpus\[0\].mig: must be left out"):
        load_fleet(hosts({"gpu1": sliced}, {"chat": service(gpus={"gpu1": [2]})}))
