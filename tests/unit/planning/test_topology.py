"""Islands and NUMA nodes: as an inventory declares them, and as a probe saw them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rackwright import catalog
from rackwright.planning.topology import Island, declared, islands, observed, within
from rackwright.spec import ServerSpec
from tests.samples.fleet import server

DATA = Path(__file__).parents[2] / "data"


def spec(gpu: str, count: int, link: str, **more: Any) -> ServerSpec:
    return ServerSpec(name="gpu1", **server(gpu=gpu, count=count, link=link), **more)


def islands_of(gpu: str, count: int, link: str, **more: Any) -> tuple[Island, ...]:
    return islands(spec(gpu, count, link, **more), catalog.gpu_types()[gpu])


def singles(count: int) -> tuple[Island, ...]:
    return tuple((index,) for index in range(count))


DECLARED: list[tuple[str, int, str, tuple[Island, ...]]] = [
    ("h100-sxm-80gb", 8, "nvswitch", (tuple(range(8)),)),
    ("h200-sxm-141gb", 2, "nvswitch", ((0, 1),)),
    ("h200-sxm-141gb", 4, "nvlink", ((0, 1, 2, 3),)),
    ("h200-sxm-141gb", 8, "nvlink", ((0, 1, 2, 3), (4, 5, 6, 7))),
    ("h200-sxm-141gb", 2, "nvlink", ((0, 1),)),
    ("h100-nvl-94gb", 2, "nvlink", ((0, 1),)),
    ("h100-nvl-94gb", 4, "nvlink", ((0, 1), (2, 3))),
    ("h100-nvl-94gb", 5, "nvlink", ((0, 1), (2, 3), (4,))),
    ("h100-nvl-94gb", 4, "pcie", singles(4)),
    ("l40s-48gb", 3, "pcie", singles(3)),
    ("l4-24gb", 1, "none", singles(1)),
]


@pytest.mark.parametrize(("gpu", "count", "link", "expected"), DECLARED)
def test_islands_follow_the_interconnect(
    gpu: str, count: int, link: str, expected: tuple[Island, ...]
) -> None:
    assert islands_of(gpu, count, link) == expected


@pytest.mark.parametrize("key", catalog.gpu_types())
def test_every_gpu_is_on_one_island_of_any_type(key: str) -> None:
    gpu = catalog.gpu_types()[key]
    for link in gpu.interconnects:
        for count in (1, 2, 3, 8, 16):
            found = islands_of(key, count, link)
            assert sorted(index for island in found for index in island) == list(range(count))


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([[0, 2], [1, 3]], ((0, 2), (1, 3))),
        ([[2, 3]], ((2, 3), (0,), (1,))),
        ([[3, 1, 0]], ((3, 1, 0), (2,))),
        ([[0, 1, 2, 3]], ((0, 1, 2, 3),)),
        ([[1]], ((1,), (0,), (2,), (3,))),
    ],
)
def test_bridges_that_are_listed_count_and_other_gpus_stand_alone(
    listed: list[list[int]], expected: tuple[Island, ...]
) -> None:
    assert islands_of("h100-nvl-94gb", 4, "nvlink", nvlink_islands=listed) == expected


def test_an_empty_list_is_no_bridge_at_all() -> None:
    assert islands_of("h100-nvl-94gb", 4, "nvlink", nvlink_islands=[]) == singles(4)


def test_numa_nodes_are_those_listed_else_one() -> None:
    gpu = catalog.gpu_types()["l40s-48gb"]
    assert declared(spec("l40s-48gb", 4, "pcie"), gpu).numa_nodes == ((0, 1, 2, 3),)
    two = declared(spec("l40s-48gb", 4, "pcie", numa_nodes=[[0, 2], [1, 3]]), gpu)
    assert two.numa_nodes == ((0, 2), (1, 3))
    assert two.islands == singles(4)


@pytest.mark.parametrize(
    ("groups", "gpus", "expected"),
    [
        ([(0, 1), (2, 3)], (0, 1, 2, 3), [(0, 1), (2, 3)]),
        ([(0, 1), (2, 3)], (0, 2, 3), [(0,), (2, 3)]),
        ([(0, 1), (2, 3)], (3,), [(3,)]),
        ([(3, 0), (1, 2)], (0, 3), [(3, 0)]),
        ([(0, 1)], (), []),
        ([], (0, 1), []),
    ],
)
def test_groups_are_cut_down_to_the_gpus_that_may_be_used(
    groups: list[Island], gpus: Island, expected: list[Island]
) -> None:
    assert within(groups, gpus) == expected


def address(index: int) -> str:
    """As NVML writes PCI addresses: eight digits of domain, upper case."""
    return f"00000000:{0x0A + 0x10 * index:02X}:00.0"


def link(peer: int | None = None, *, active: bool | None = True, kind: str = "gpu") -> Any:
    """One link: to another GPU, or to an NVSwitch, whose address is hidden."""
    remote = None if peer is None else address(peer)
    return {"link": 0, "active": active, "remote_type": kind, "remote_pci_bus_id": remote}


SWITCH = link(kind="switch")


def gpu(index: int, *links: Any, numa: int | None = 0, **more: Any) -> dict[str, Any]:
    found = {"index": index, "pci_bus_id": address(index), "nvlinks": list(links)}
    return {**found, "numa_node": numa, **more}


def probe(*gpus: Any) -> dict[str, Any]:
    return {"schema": 1, "gpus": list(gpus)}


def test_the_captured_host_has_one_gpu_that_is_linked_to_nothing() -> None:
    seen = observed(json.loads((DATA / "h200x1/probe.json").read_text()))
    assert seen == (((0,),), ((0,),))


OBSERVED: dict[str, tuple[dict[str, Any], tuple[Island, ...]]] = {
    "pairs": (
        probe(gpu(0, link(1), link(1)), gpu(1, link(0)), gpu(2, link(3)), gpu(3, link(2))),
        ((0, 1), (2, 3)),
    ),
    "pairs that are no neighbours": (
        probe(gpu(0, link(2)), gpu(1, link(3)), gpu(2, link(0)), gpu(3, link(1))),
        ((0, 2), (1, 3)),
    ),
    "a ring of four": (
        probe(*(gpu(i, link((i + 1) % 4), link((i - 1) % 4)) for i in range(4))),
        ((0, 1, 2, 3),),
    ),
    "a chain": (probe(gpu(0, link(1)), gpu(1), gpu(2, link(1)), gpu(3)), ((0, 1, 2), (3,))),
    "a link that one end alone saw": (probe(gpu(0), gpu(1, link(0))), ((0, 1),)),
    "a switch": (probe(*(gpu(i, *[SWITCH] * 18) for i in range(8))), (tuple(range(8)),)),
    "a switch that one GPU has lost": (
        probe(gpu(0, SWITCH), gpu(1, link(kind="switch", active=False)), gpu(2, SWITCH)),
        ((0, 2), (1,)),
    ),
    "a GPU alone on the switch": (probe(gpu(0, SWITCH), gpu(1)), singles(2)),
    "inactive links": (probe(gpu(0, link(1, active=False)), gpu(1)), singles(2)),
    "links that could not be read": (
        probe(gpu(0, link(1, active=None)), gpu(1, link(0, active=None))),
        singles(2),
    ),
    "a link to something that is no GPU of the host": (
        probe(gpu(0, link(7)), gpu(1, link(8))),
        singles(2),
    ),
    "no links": (probe(gpu(0), gpu(1)), singles(2)),
    "links are null": (probe(gpu(0, nvlinks=None), gpu(1, nvlinks=None)), singles(2)),
    "no key for links": (probe({"index": 0}, {"index": 1}), singles(2)),
    "a lost GPU": (probe(gpu(0, link(2)), None, gpu(2, link(0))), ((0, 2), (1,))),
    "a lost GPU beside a switch": (
        probe(gpu(0, SWITCH), None, gpu(2, SWITCH)),
        ((0, 2), (1,)),
    ),
    "two GPUs whose address could not be read": (
        probe(gpu(0, SWITCH, pci_bus_id=None), gpu(1, link(), pci_bus_id=None), gpu(2)),
        singles(3),
    ),
    "no GPU": (probe(), ()),
    "no NVML": ({"schema": 1, "nvml": None, "gpus": []}, ()),
    "null instead of a list": ({"schema": 1, "gpus": None}, ()),
}


@pytest.mark.parametrize(("seen", "expected"), OBSERVED.values(), ids=OBSERVED)
def test_active_links_join_gpus(seen: dict[str, Any], expected: tuple[Island, ...]) -> None:
    assert observed(seen).islands == expected


def test_addresses_compare_whatever_their_form() -> None:
    first, second = gpu(0, link(1)), gpu(1)
    first["nvlinks"][0]["remote_pci_bus_id"] = "0000:1a:00.0"
    assert observed(probe(first, second)).islands == ((0, 1),)


def test_numa_nodes_are_in_order_and_what_could_not_be_read_is_on_the_first() -> None:
    seen = probe(gpu(0, numa=1), gpu(1, numa=0), gpu(2, numa=1), gpu(3, numa=None), None)
    assert observed(seen).numa_nodes == ((1, 3, 4), (0, 2))


@pytest.mark.parametrize(
    ("kind", "link_kind", "seen"),
    [
        ("h100-nvl-94gb", "nvlink", [gpu(i, link(i ^ 1)) for i in range(4)]),
        ("h200-sxm-141gb", "nvswitch", [gpu(i, SWITCH) for i in range(4)]),
        ("l40s-48gb", "pcie", [gpu(i) for i in range(4)]),
    ],
)
def test_what_is_as_usual_is_seen_as_it_is_declared(
    kind: str, link_kind: str, seen: list[Any]
) -> None:
    said = declared(spec(kind, 4, link_kind), catalog.gpu_types()[kind])
    assert observed(probe(*seen)) == said
