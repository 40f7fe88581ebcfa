"""Profiles of servers that nobody captured: one captured GPU, as often as needed, as another card.

From the capture (``tests/data/h200x2``, GPU 0) come the questions that are answered, and what no
document tells, such as temperatures. Name, memory, PCIe and NVLink are the catalog's. GPUs share
PCIe switches, CPUs and bridges as in common servers: neighbours a switch, each half a CPU.

``python -m lab.nvml.compose a100x4`` prints one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lab.errors import LabError
from lab.nvml.profile import PROFILES, salted
from rackwright.catalog import gpu_types
from rackwright.errors import nearest
from rackwright.exits import exits

_MIB = 1024**2
_PIX, _NODE, _SYS = 10, 40, 50
"""Levels of nvmlGpuTopologyLevel_t."""
_OK, _NO_TOPOLOGY = 0, 3
"""Codes of nvmlGpuP2PStatus_t."""
_LINK_VERSION = {3: 4, 4: 6}
"""NVML's code of an NVLink by its generation: 3.0 and 4.0."""
_TO_GPU, _TO_SWITCH = 0, 2
_LOW, _HIGH = 0xFFFFFFFF, 0xFFFFFFFF << 32
"""CPUs 0-31 and 32-63."""


@dataclass(frozen=True)
class Box:
    """A server: its cards, how many, how they are joined, over how many NUMA nodes.

    ``limit_w`` is the power limit of the card's datasheet.
    """

    gpu: str
    count: int
    joined: str
    nodes: int
    limit_w: int

    def node(self, index: int) -> int:
        """The NUMA node of a GPU: the first half is on the first."""
        return index * self.nodes // self.count

    def peers(self, index: int) -> list[int]:
        """The other GPUs that NVLink reaches."""
        if self.joined == "nvswitch":
            return [peer for peer in range(self.count) if peer != index]
        return [index ^ 1] if self.joined == "bridges" else []

    def level(self, index: int, peer: int) -> int:
        """Where the PCIe paths of two GPUs meet."""
        if self.node(index) != self.node(peer):
            return _SYS
        return _PIX if index // 2 == peer // 2 else _NODE


BOXES = {
    "h200x4": Box("h200-sxm-141gb", 4, "nvswitch", 1, 700),
    "h200x8": Box("h200-sxm-141gb", 8, "nvswitch", 2, 700),
    "a100x2": Box("a100-pcie-80gb", 2, "bridges", 1, 300),
    "a100x4": Box("a100-pcie-80gb", 4, "bridges", 2, 300),
    "a100x8": Box("a100-pcie-80gb", 8, "bridges", 2, 300),
    "l40sx1": Box("l40s-48gb", 1, "pcie", 1, 350),
    "l40sx2": Box("l40s-48gb", 2, "pcie", 2, 350),
    "l40sx4": Box("l40s-48gb", 4, "pcie", 2, 350),
    "l40sx8": Box("l40s-48gb", 8, "pcie", 2, 350),
}


def names() -> list[str]:
    """Every profile there is, captured or composed."""
    return sorted({path.stem for path in PROFILES.glob("*.profile")} | set(BOXES))


def profile(name: str) -> str:
    """The text of a profile, captured or composed. Raises LabError where there is none."""
    if name in BOXES:
        return composed(BOXES[name])
    if name not in names():
        raise LabError(f"GPU profile {name!r} {nearest(name, names())}")
    return (PROFILES / f"{name}.profile").read_text()


def composed(box: Box) -> str:
    """The profile of a server that nobody captured."""
    head, gpu = _captured()
    lines = [
        "# Composed by lab/nvml/compose.py: GPU 0 of tests/data/h200x2, so often, with name,",
        "# memory, PCIe and NVLink as rackwright/catalog/gpus.yaml has them of this card.",
        *head,
    ]
    for index in range(box.count):
        values = gpu | dict(_card(box, index)) | dict(_place(box, index))
        values |= dict(_links(box, index)) | dict(_pairs(box, index))
        lines += ["", f"[gpu {index}]"]
        lines += [f"{key}={value}" for key, value in values.items() if value]
    return "\n".join(lines) + "\n"


@cache
def _captured() -> tuple[list[str], dict[str, str]]:
    """The captured driver, and GPU 0 by key."""
    head, _, gpu = (PROFILES / "h200x1.profile").read_text().partition("\n[gpu 0]\n")
    driver = [line for line in head.splitlines() if line and line[0] != "#"]
    return driver, {key: value for key, _, value in (at.partition("=") for at in gpu.splitlines())}


def _address(index: int) -> str:
    return f"00000000:{16 * index + 1:02X}:00.0"


def _card(box: Box, index: int) -> Iterator[tuple[str, str]]:
    """What the catalog knows of the card; what only a captured H200 has is left out of others."""
    gpu = gpu_types()[box.gpu]
    total, reserved = gpu.memory_mib * _MIB, 600 * _MIB
    yield "Name", gpu.name
    yield "UUID", f"GPU-00000000-0000-4000-8000-{index:012}"
    yield "MinorNumber", str(index)
    yield "MemoryInfo", f"{total},{total - reserved},{reserved}"
    yield "MemoryInfo_v2", f"{total},{reserved},{total - reserved},0"
    yield "CudaComputeCapability", "{},{}".format(*gpu.compute_capability)
    for key in ("PowerManagementLimit", "EnforcedPowerLimit"):
        yield key, str(1000 * box.limit_w)
    for key in ("CurrPcieLink", "MaxPcieLink", "GpuMaxPcieLink"):
        yield f"{key}Generation", str(gpu.pcie_generation)
    for key in ("CurrPcieLink", "MaxPcieLink"):
        yield f"{key}Width", str(gpu.pcie_lanes)
    if "nvswitch" not in gpu.interconnects:
        for key in ("GpuFabricInfo", "GpuFabricClusterUuid", "BoardPartNumber", "VbiosVersion"):
            yield key, ""
    if gpu.nvlink is None:  # no NVLink, and no MIG: a card for inference without slices
        yield "MigMode", ""


def _place(box: Box, index: int) -> Iterator[tuple[str, str]]:
    """Where on the PCIe bus the card sits, and which CPU is near."""
    address, node = _address(index), box.node(index)
    yield "PciInfo", f"{address[4:]},0,{16 * index + 1},0,590680286,415174878,{address}"
    yield "CpuAffinity", str(_HIGH if node else _LOW)
    yield "MemoryAffinity", str(1 << node)


def _links(box: Box, index: int) -> Iterator[tuple[str, str]]:
    nvlink, peers = gpu_types()[box.gpu].nvlink, box.peers(index)
    links = nvlink.links if nvlink and peers else 0

    def each(value: object) -> str:
        return ",".join([str(value)] * links)

    switched = box.joined == "nvswitch"
    yield "NvLinkState", each(1)
    yield "NvLinkVersion", each(_LINK_VERSION[nvlink.generation] if nvlink else 0)
    yield "NvLinkRemoteDeviceType", each(_TO_SWITCH if switched else _TO_GPU)
    yield "NvLinkCapability.0", each(1)
    yield "NvLinkErrorCounter.0", each(0)
    yield "NvLinkErrorCounter.2", each(0)
    if not links:
        yield "NvLinkRemotePciInfo", ""
    elif not switched:
        far = _address(peers[0])
        yield "NvLinkRemotePciInfo", f"{far[4:]},0,{16 * peers[0] + 1},0,590680286,415174878,{far}"
    if nvlink:
        speed_mb_per_s = nvlink.bandwidth_gb_per_s / 2 / nvlink.links * 1000
        yield "Field.164", each(int(speed_mb_per_s))
    else:
        yield "Field.164", ""


def _pairs(box: Box, index: int) -> Iterator[tuple[str, str]]:
    """PCIe levels, and peer-to-peer status: read and write over anything, NVLink where it is."""
    numbers, peers = range(box.count), box.peers(index)
    levels = ("-" if peer == index else str(box.level(index, peer)) for peer in numbers)
    yield "TopologyCommonAncestor", ",".join(levels)
    nvlink = ",".join(str(_OK if peer in peers else _NO_TOPOLOGY) for peer in numbers)
    everywhere = ",".join([str(_OK)] * box.count)
    for code, value in enumerate((everywhere, everywhere, nvlink, nvlink, everywhere)):
        yield f"P2PStatus.{code}", value


def write_profile(name: str, salt: str, output: Path) -> None:
    """Write a profile to ``output`` with GPUs of the host ``salt``'s own. Raises LabError."""
    output.write_text(salted(profile(name), salt))


if __name__ == "__main__":
    with exits():
        print(profile(sys.argv[1]), end="")
