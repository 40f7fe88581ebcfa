"""The PCIe check: what card and slot can, what is declared, and GPUs that idle."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.catalog import gpu_types
from rackwright.checks.results import CheckResult, Status
from rackwright.checks.server.healthy import pcie_end
from tests.samples.probes import declared, planned, results, seen

OK, WARN, CRITICAL, UNKNOWN = Status.OK, Status.WARN, Status.CRITICAL, Status.UNKNOWN


def pcie(
    link: dict[str, Any], gpu: dict[str, Any] | None = None, **each: tuple[int, ...]
) -> CheckResult:
    """Of a server whose first GPU is like that."""
    probe = seen()
    probe["gpus"][0]["pcie"] |= link
    probe["gpus"][0] |= gpu or {}
    found = results(probe, planned(**declared(**each)))
    assert {name for name, row in found.items() if row.status is not OK} <= {"PCIe"}
    return found["PCIe"]


X8_SLOT = {"width": 8, "card": {**pcie_end(16), "width": 8}, "bridge": pcie_end(8)}
HIDDEN = {"card": None, "bridge": None}
NOT_TOLD = dict.fromkeys(pcie_end())
LANES: dict[str, tuple[dict[str, Any], dict[str, Any], Status, str]] = {
    "a slot of eight": (X8_SLOT, {}, WARN, "GPU 0 could have x16, its slot gives x8"),
    "a slot of eight that is declared": (X8_SLOT, {"pcie_lanes": (8, 16)}, OK, "x8"),
    "four in a slot of eight": (
        {**X8_SLOT, "width": 4},
        {},
        CRITICAL,
        "GPU 0 has x4 of x8, which card and slot can",
    ),
    "four in a slot of eight, declared": (
        {**X8_SLOT, "width": 4},
        {"pcie_lanes": (8, 16)},
        CRITICAL,
        "GPU 0 has x4, x8 is declared",
    ),
    "four in a slot of eight that is declared of four": (
        {**X8_SLOT, "width": 4},
        {"pcie_lanes": (4, 16)},
        OK,
        "x4",
    ),
    "more than declared": ({}, {"pcie_lanes": (8, 8)}, OK, "x16"),
    "eight of a slot of sixteen": (
        {"width": 8},
        {},
        CRITICAL,
        "GPU 0 has x8 of x16, which card and slot can",
    ),
    "a card of eight in a slot of sixteen": (
        {"width": 8, "max_width": 8, "card": pcie_end(8)},
        {},
        OK,
        "x8",
    ),
    "eight in a virtual machine": (
        {"width": 8, **HIDDEN},
        {},
        WARN,
        "GPU 0 has x8 of x16, what its slot can is hidden",
    ),
    "eight in a virtual machine, declared": (
        {"width": 8, **HIDDEN},
        {"pcie_lanes": (8, 16)},
        OK,
        "x8",
    ),
    "eight below a bridge that says nothing": (
        {"width": 8, "bridge": NOT_TOLD},
        {},
        WARN,
        "what its slot can is hidden",
    ),
    "sixteen below a bridge that says nothing": ({"bridge": NOT_TOLD}, {}, OK, "x16"),
    "sixteen below a bridge that says one": (
        {"bridge": {**pcie_end(1), "max_generation": 1}},
        {},
        OK,
        "generation 5 x16",
    ),
    "sixteen below a bridge that says 32": ({"bridge": pcie_end(32)}, {}, OK, "x16"),
    "NVML's word for nothing": ({"width": 255, "card": pcie_end()}, {}, OK, "x16"),
    "nobody's word": ({"width": 0, **HIDDEN}, {}, UNKNOWN, "GPU 0: its PCIe width is not told"),
    "garbage": ({"width": "16", **HIDDEN}, {}, UNKNOWN, "its PCIe width is not told"),
}


@pytest.mark.parametrize(("link", "each", "status", "words"), LANES.values(), ids=LANES)
def test_lanes(link: dict[str, Any], each: dict[str, Any], status: Status, words: str) -> None:
    row = pcie(link, **each)
    assert (row.status, bool(row.remedy)) == (status, status is not OK)
    assert words in row.evidence


IDLE = {"gpu": 0, "memory": 0}
BUSY = {"gpu": 97, "memory": 40}
IDLENESS: dict[str, tuple[dict[str, Any], Status]] = {
    "idle, as it says": ({"throttle_reasons": ["gpu_idle"], "utilization_percent": BUSY}, OK),
    "idle, with a power cap": (
        {"throttle_reasons": ["sw_power_cap"], "utilization_percent": IDLE},
        OK,
    ),
    "idle, and no reason": ({"throttle_reasons": [], "utilization_percent": IDLE}, OK),
    "idle, though fast": (
        {"throttle_reasons": [], "utilization_percent": IDLE, "performance_state": 0},
        OK,
    ),
    "a picture on a screen": (
        {
            "throttle_reasons": [],
            "utilization_percent": {"gpu": 3, "memory": 1},
            "performance_state": 8,
        },
        OK,
    ),
    "idle by its state alone": (
        {"throttle_reasons": [], "utilization_percent": None, "performance_state": 8},
        OK,
    ),
    "at work": ({"throttle_reasons": [], "utilization_percent": BUSY}, CRITICAL),
    "at work, with a power cap": (
        {"throttle_reasons": ["sw_power_cap"], "utilization_percent": BUSY},
        CRITICAL,
    ),
    "at work, and no state": (
        {"throttle_reasons": [], "utilization_percent": BUSY, "performance_state": None},
        CRITICAL,
    ),
    "nothing tells": (
        {"throttle_reasons": None, "utilization_percent": None, "performance_state": None},
        UNKNOWN,
    ),
}


@pytest.mark.parametrize(("gpu", "status"), IDLENESS.values(), ids=IDLENESS)
def test_a_slower_generation_counts_while_a_gpu_works(gpu: dict[str, Any], status: Status) -> None:
    row = pcie({"generation": 1}, gpu)
    assert row.status is status
    assert ("generation 1 of 5" in row.evidence) is (status is not OK)


GEN3_SLOT = {"generation": 3, "bridge": {**pcie_end(), "generation": 3, "max_generation": 3}}
GENERATIONS: dict[str, tuple[dict[str, Any], tuple[int, ...], Status, str]] = {
    "a slot of generation 3": (GEN3_SLOT, (), WARN, "could do generation 5, its slot does 3"),
    "a slot of generation 3, declared": (GEN3_SLOT, (3, 5), OK, "generation 3 x16"),
    "less than declared": (
        GEN3_SLOT,
        (4, 5),
        CRITICAL,
        "GPU 0 can do generation 3 at most here, 4 is declared",
    ),
    "an idle card below a bridge that says nothing": (
        {"generation": 1, "bridge": NOT_TOLD},
        (),
        OK,
        "generation 5 x16",
    ),
    "an idle card below a bridge of a virtual machine": (
        {"generation": 1, "bridge": {**pcie_end(1), "generation": 1, "max_generation": 1}},
        (),
        OK,
        "generation 5 x16",
    ),
}


@pytest.mark.parametrize(("link", "each", "status", "words"), GENERATIONS.values(), ids=GENERATIONS)
def test_generations(
    link: dict[str, Any], each: tuple[int, ...], status: Status, words: str
) -> None:
    row = pcie(link, pcie_generation=each) if each else pcie(link)
    assert row.status is status
    assert words in row.evidence


def test_a_gpu_on_the_chip_of_its_cpu_has_no_slot() -> None:
    """A GB10, of which NVML tells generation 1 x1 (Syllo/nvtop pull request 499)."""
    probe, gb10 = seen(1), gpu_types()["gb10-128gb"]
    (gpu,) = probe["gpus"]
    gpu |= {"name": gb10.name, "memory": None, "nvlinks": [], "performance_state": 0}
    gpu |= {"throttle_reasons": [], "utilization_percent": {"gpu": 96, "memory": 0}}
    gpu["pcie"] |= {**HIDDEN, "generation": 1, "width": 1, "gpu_max_generation": 5}
    probe["unavailable"]["gpus[0].pcie.bridge"] = "LookupError: no bridge is seen above it"
    probe["os"]["memory_total_bytes"] = gb10.memory_mib << 20
    found = results(probe, planned(1, "pcie", gpu=gb10))
    assert {name for name, row in found.items() if row.status is not OK} == set()
    assert found["PCIe"].evidence == "no slot: the CPU's chip has it"
