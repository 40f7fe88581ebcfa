"""Every GPU has the PCIe lanes and the generation that card and slot can both, or the declared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import GpuSettings, PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER, pcie_end
from rackwright.checks.server.pcie_link import PcieLink, links_of, works
from rackwright.checks.server.probed import SHOWS_GPUS, Probed, conclude

_MEND = (
    "reseat the GPU and its riser, check the slot's settings in the firmware; where the slot has "
    "no more, declare it in `gpus` of the inventory (pcie_lanes, pcie_generation)"
)
_SLOT = (
    "move the GPU to a better slot; or declare what this one gives in `gpus` of the inventory "
    "(pcie_lanes, pcie_generation) and know that loading models and PCIe traffic take longer"
)
_BUSY = "an idle GPU may save power so; this one works: check riser, slot and ASPM settings"
_SEE = "see `nvidia-smi -q -d PERFORMANCE,UTILIZATION` on the host, and ask again under load"


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL for a link below what card and slot both can, or below what is declared.

    WARN where the slot limits the card, or what it gives is hidden. A slower generation than it
    could be counts while the GPU works.
    """
    probed = Probed(seen)
    there = [index for index, gpu in enumerate(probed.gpus) if gpu]
    slotted = [index for index in there if not _is_built_in(planned, index)]
    findings = [finding for index in slotted for finding in _findings(planned, probed, index)]
    return conclude(probed, findings, _fine(probed, slotted) or "no slot: the CPU's chip has it")


def _is_built_in(planned: PlannedServer, index: int) -> bool:
    """Whether a GPU shares its memory with the CPU: NVML then invents a link of generation 1 x1."""
    kind = planned.declared.get(index)
    return kind is not None and kind.unified_memory


def _fine(probed: Probed, there: Sequence[int]) -> str:
    links = [links_of(probed, index) for index in there]
    kinds = {f"generation {speed.most or speed.now} x{lanes.now}" for lanes, speed in links}
    return ", ".join(sorted(kinds))


def _findings(planned: PlannedServer, probed: Probed, index: int) -> Iterator[Finding]:
    lanes, generation = links_of(probed, index)
    for link, key in ((lanes, "width"), (generation, "generation")):
        # Of what NVML could not read the probe has the reason, which is said already.
        if link.now is None and not probed.reason(f"gpus[{index}].pcie.{key}"):
            evidence = f"GPU {index}: its PCIe {key} is not told"
            yield Finding(Status.UNKNOWN, evidence, "see `nvidia-smi -q` on the host")
    declared = planned.settings_of(index)
    yield from _of_lanes(index, lanes, declared.pcie_lanes)
    yield from _of_generation(index, generation, declared.pcie_generation, works(probed, index))


def _of_lanes(index: int, link: PcieLink, declared: int | None) -> Iterator[Finding]:
    now, card, slot = link
    if declared and now and now < declared:
        evidence = f"GPU {index} has x{now}, x{declared} is declared"
        yield Finding(Status.CRITICAL, evidence, _MEND)
    if declared or not now or not card or now >= card:
        return
    if slot is None:
        evidence = f"GPU {index} has x{now} of x{card}, what its slot can is hidden"
        yield Finding(Status.WARN, evidence, _SLOT)
    elif now < min(card, slot):
        evidence = f"GPU {index} has x{now} of x{min(card, slot)}, which card and slot can"
        yield Finding(Status.CRITICAL, evidence, _MEND)
    else:
        evidence = f"GPU {index} could have x{card}, its slot gives x{slot}"
        yield Finding(Status.WARN, evidence, _SLOT)


def _of_generation(
    index: int, link: PcieLink, declared: int | None, working: bool | None
) -> Iterator[Finding]:
    now, able, slot = link
    if declared and link.most and link.most < declared:
        evidence = f"GPU {index} can do generation {link.most} at most here, {declared} is declared"
        yield Finding(Status.CRITICAL, evidence, _MEND)
    elif not declared and able and slot and slot < able:
        evidence = f"GPU {index} could do generation {able}, its slot does {slot}"
        yield Finding(Status.WARN, evidence, _SLOT)
    most = min([each for each in (declared, link.most) if each], default=0)
    if now and now < most:
        yield from _slow(index, f"generation {now} of {most}", working)


def _slow(index: int, what: str, working: bool | None) -> Iterator[Finding]:
    if working:
        yield Finding(Status.CRITICAL, f"GPU {index} runs at {what} while it works", _BUSY)
    elif working is None:
        evidence = f"GPU {index} runs at {what}, and does not tell whether it works"
        yield Finding(Status.UNKNOWN, evidence, _SEE)


CHECK = Check(
    name="PCIe",
    fine=(
        "each GPU has the lanes that it and its slot can, or that are declared; while it works "
        "also the generation"
    ),
    judge=judge,
    healthy=SERVER,
    applies=SHOWS_GPUS,
    examples=(
        Example("x4 instead of x16", Status.CRITICAL, {"gpus.0.pcie.width": 4}),
        Example(
            "x4 where x8 is declared",
            Status.CRITICAL,
            {"gpus.0.pcie.width": 4},
            planned={"gpu_settings": {0: GpuSettings(pcie_lanes=8)}},
        ),
        Example(
            "generation 3 while it works",
            Status.CRITICAL,
            {
                "gpus.0.pcie.generation": 3,
                "gpus.0.throttle_reasons": [],
                "gpus.0.utilization_percent": {"gpu": 97, "memory": 40},
            },
        ),
        Example(
            "a slot of eight lanes for a GPU of sixteen",
            Status.WARN,
            {"gpus.0.pcie.width": 8, "gpus.0.pcie.bridge": pcie_end(8)},
        ),
        Example(
            "fewer lanes than the card's in a virtual machine, which hides the slot",
            Status.WARN,
            {"gpus.0.pcie.width": 8, "gpus.0.pcie.bridge": None},
        ),
        Example(
            "a slot of generation 3 for a GPU of generation 5",
            Status.WARN,
            {"gpus.0.pcie.generation": 3, "gpus.0.pcie.max_generation": 3},
        ),
    ),
)
