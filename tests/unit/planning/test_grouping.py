"""Which GPUs make a replica, and what they talk over."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.sizing import Split
from tests.samples.fleet import judged, server

PCIE = server(gpu="l40s-48gb", count=8, link="pcie")
NUMA = {**PCIE, "numa_nodes": [[0, 2, 4, 6], [1, 3, 5, 7]]}
PAIRS = server(gpu="h100-nvl-94gb", count=4)
SWITCH = server(count=8, link="nvswitch")


GROUPS: dict[str, tuple[dict[str, Any], Split, list[tuple[int, ...]], str]] = {
    "NVSwitch joins all": (SWITCH, Split(4), [(0, 1, 2, 3), (4, 5, 6, 7)], ""),
    "bridges join pairs": (PAIRS, Split(2), [(0, 1), (2, 3)], ""),
    "islands that are listed": (
        {**PAIRS, "nvlink_islands": [[0, 3], [1, 2]]},
        Split(2),
        [(0, 3), (1, 2)],
        "",
    ),
    "no island is listed": (
        {**PAIRS, "nvlink_islands": []},
        Split(2),
        [(0, 1), (2, 3)],
        "across PCIe",
    ),
    "beyond an island": (
        PAIRS,
        Split(4),
        [(0, 1, 2, 3)],
        "across PCIe at every layer (NVLink joins 2",
    ),
    "without NVLink": (PCIE, Split(2), [(0, 1), (2, 3), (4, 5), (6, 7)], "(NVLink joins none of"),
    "inside a NUMA node": (NUMA, Split(4), [(0, 2, 4, 6), (1, 3, 5, 7)], "across PCIe"),
    "pairs inside a NUMA node": (
        NUMA,
        Split(2),
        [(0, 2), (4, 6), (1, 3), (5, 7)],
        "across PCIe",
    ),
    "from NUMA node to NUMA node": (
        NUMA,
        Split(8),
        [tuple(range(8))],
        "from one NUMA node to another at every layer",
    ),
    "a remainder is left": (SWITCH, Split(1, 3), [(0, 1, 2), (3, 4, 5)], ""),
    "stages of whole islands": (PAIRS, Split(2, 2), [(0, 1, 2, 3)], ""),
    "stages across PCIe": (PCIE, Split(1, 4), [(0, 1, 2, 3), (4, 5, 6, 7)], ""),
}


@pytest.mark.parametrize(("box", "split", "groups", "reason"), GROUPS.values(), ids=GROUPS)
def test_groups_and_what_they_talk_over(
    box: dict[str, Any], split: Split, groups: list[tuple[int, ...]], reason: str
) -> None:
    layout = judged("qwen3-8b", box)[split]
    assert list(layout.groups) == groups
    assert layout.across is bool(reason)
    assert reason in layout.reason and bool(reason) == bool(layout.reason)
    assert layout.feasible


def test_groups_stay_in_a_numa_node_when_the_operator_accepts_pcie() -> None:
    found = judged("qwen3-32b", NUMA, tensor_parallel_size=4)[Split(4)]
    assert found.groups == ((0, 2, 4, 6), (1, 3, 5, 7))
    assert not found.reason and not found.across
    assert not judged("qwen3-32b", NUMA, tensor_parallel_size=8)[Split(8)].reason


def test_what_crosses_pcie_says_how_to_accept_it_and_at_what_price() -> None:
    layout = judged("qwen3-32b", PCIE)[Split(4)]
    assert layout.alone is not None
    assert layout.reason == (
        "fits, but a group of 4 would talk across PCIe at every layer (NVLink joins none of them); "
        f"tensor_parallel_size=4 accepts that, at {layout.alone.tpot_ms:.1f} ms a token"
    )
    assert layout.feasible and layout.across


def test_what_does_not_fit_says_so_before_it_speaks_of_pcie() -> None:
    layout = judged("llama-3.3-70b-instruct", PCIE)[Split(2)]
    assert "GiB too few" in layout.reason
    assert not layout.across and not layout.feasible


def test_only_gpus_that_may_be_used_are() -> None:
    found = judged("qwen3-8b", SWITCH, gpus=(1, 2, 5, 6, 7))
    assert found[Split(2)].groups == ((1, 2), (5, 6))
    assert found[Split(4)].groups == ((1, 2, 5, 6),)
    pairs = judged("qwen3-8b", PAIRS, gpus=(1, 2))
    assert pairs[Split(2)].across and pairs[Split(2)].groups == ((1, 2),)


def test_stages_pass_on_over_the_link_that_joins_them() -> None:
    """Two pairs of bridges: stages inside a pair talk over NVLink, those of two pairs do not."""
    inside = judged("qwen3-32b", PAIRS, pipeline_parallel_size=2)[Split(1, 2)]
    apart = {**PAIRS, "nvlink_islands": [[0], [1], [2], [3]]}
    outside = judged("qwen3-32b", apart, pipeline_parallel_size=2)[Split(1, 2)]
    assert inside.busy is not None and outside.busy is not None
    assert inside.busy.ttft_ms < outside.busy.ttft_ms
