"""What of GPUs, switches and buses would stand in the way."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.catalog import GpuType
from rackwright.catalog.drivers import drivers
from rackwright.checks.results import Status
from rackwright.driver.plan import DriverPlan
from rackwright.driver.preflight.situation import Situation, Trouble


def gpu_generation(situation: Situation) -> Iterator[Trouble]:
    """Open modules need a Turing GPU or newer; nothing else drives Blackwell."""
    if situation.plan:
        for gpu in (situation.gpu, *situation.others):
            yield from _driven(gpu, situation.plan)


def _driven(gpu: GpuType, plan: DriverPlan) -> Iterator[Trouble]:
    capability, table = gpu.compute_capability, drivers().open_modules
    if capability < plan.branch.minimum_capability:
        yield Trouble(
            f"branch {plan.branch.number} does not drive {gpu.name} any more",
            "pin a driver_version of branch 580",
        )
    elif plan.modules == "open" and capability < table.minimum_capability:
        yield Trouble(
            f"{gpu.name} is too old for open kernel modules",
            "set driver_modules to auto or proprietary, with a branch that has them (580)",
        )
    elif plan.modules == "proprietary" and capability >= table.required_from:
        yield Trouble(
            f"{gpu.name} runs with open kernel modules only",
            "set driver_modules to auto; no module drives it beside a GPU older than Turing",
        )


def nvswitch(situation: Situation) -> Iterator[Trouble]:
    """Fabric manager is needed where there is an NVSwitch, and fails where there is none."""
    if not situation.plan:
        return
    declared, seen = situation.plan.fabric, situation.facts.nvswitches
    on_bus = not situation.gpu.nvlink or situation.gpu.nvlink.generation < 5
    if declared and on_bus and not seen:
        yield Trouble(
            "the inventory declares nvswitch, and no NVSwitch is on the PCI bus: fabric manager "
            "would fail",
            'set "fabric_manager": "host" where this is a virtual machine whose host runs it, else '
            "correct interconnect in the inventory",
        )
    if seen and not declared:
        kind, guest = situation.server.interconnect, situation.server.interconnect == "nvswitch"
        said = "the fabric manager of its host" if guest else kind
        yield Trouble(
            f"there is an NVSwitch ({seen[0]}), and the inventory declares {said}: without fabric "
            "manager CUDA fails with error 802",
            "leave fabric_manager out" if guest else "set interconnect to nvswitch",
        )
    lacking = {"debian": "fabric manager"} | ({} if on_bus else {"ubuntu": "nvlsm for NVLink 5"})
    if declared and situation.plan.archive in lacking:
        yield Trouble(
            f"{lacking[situation.plan.archive]} is needed, and only NVIDIA's repository has it",
            "set driver_source to nvidia",
        )


def gpu_present(situation: Situation) -> Iterator[Trouble]:
    """A driver without a GPU is of no use, and loads no module."""
    if situation.plan and not situation.facts.gpus:
        yield Trouble(
            "no NVIDIA GPU is on the PCI bus",
            "see the server's power, slots and firmware; `lspci -d 10de:` shows what there is",
            Status.WARN,
        )


def peer_to_peer(situation: Situation) -> Iterator[Trouble]:
    """Settings that are known to hang or slow GPUs that talk over PCIe."""
    if situation.server.gpus.count < 2 or situation.server.interconnect != "pcie":
        return
    translated = [mode for mode in situation.facts.iommu if mode.startswith("DMA")]
    if translated:
        yield Trouble(
            f"the IOMMU translates DMA ({', '.join(translated)}): GPUs that talk over PCIe are "
            "known to hang with it",
            "boot with iommu=pt, or turn it off in the firmware",
            Status.WARN,
        )
    if bridges := situation.facts.acs_redirects:
        yield Trouble(
            f"PCIe access control (ACS) sends traffic between GPUs up to the CPU at "
            f"{', '.join(bridges)}",
            "turn ACS off in the firmware, or for these bridges at boot (setpci)",
            Status.WARN,
        )
