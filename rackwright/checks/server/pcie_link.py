"""A GPU's PCIe link as the probe saw it from both ends, and whether the GPU works."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from rackwright.checks.observed import Observation, number_of, part_of
from rackwright.checks.server.probed import Probed

LANES = (1, 2, 4, 8, 12, 16, 32)
GENERATIONS = range(1, 8)
"""What else is told (0, 255) is a virtual machine's way to say nothing."""
SLOW_STATE = 5
"""Performance states from P5 on have the clocks of GPUs that idle or show a picture."""


class PcieLink(NamedTuple):
    """Lanes or generation of a link: now, at most of the card, and at most of its slot.

    None where nobody tells. The slot's are None too where its bridge says that it can less than
    the link has: such a bridge is a virtual machine's.
    """

    now: int | None
    card: int | None
    slot: int | None

    @property
    def most(self) -> int | None:
        """What both ends can; None where one of them does not tell."""
        return min(self.card, self.slot) if self.card and self.slot else None


def links_of(probed: Probed, index: int) -> tuple[PcieLink, PcieLink]:
    """Lanes and generation of a GPU that is there; what NVML tells, filled up by sysfs."""
    card = part_of(probed.gpus[index], "pcie", "card")
    bridge = part_of(probed.gpus[index], "pcie", "bridge")
    lanes = _lanes(probed, index, card, bridge)
    generation = _generation(probed, index, card, bridge)
    if _contradicts(lanes) or _contradicts(generation):
        # NVML's own word of the system's generation is not the bridge's.
        most = _told(GENERATIONS, probed.read(index, "pcie", "max_generation"))
        return lanes._replace(slot=None), generation._replace(slot=most)
    return lanes, generation


def _contradicts(link: PcieLink) -> bool:
    return bool(link.now and link.slot and link.slot < link.now)


def _lanes(probed: Probed, index: int, card: Observation, bridge: Observation) -> PcieLink:
    now, system = (probed.read(index, "pcie", key) for key in ("width", "max_width"))
    return PcieLink(
        now=_told(LANES, now, card.get("width"), bridge.get("width")),
        card=_told(LANES, card.get("max_width"), system),
        slot=_told(LANES, bridge.get("max_width")),
    )


def _generation(probed: Probed, index: int, card: Observation, bridge: Observation) -> PcieLink:
    now, system, able = (
        probed.read(index, "pcie", key)
        for key in ("generation", "max_generation", "gpu_max_generation")
    )
    slots = [_told(GENERATIONS, each) for each in (system, bridge.get("max_generation"))]
    return PcieLink(
        now=_told(GENERATIONS, now, card.get("generation"), bridge.get("generation")),
        card=_told(GENERATIONS, able, card.get("max_generation"), system),
        slot=min((each for each in slots if each), default=None),
    )


def _told(known: Iterable[int], *values: Any) -> int | None:
    """The first of the values that is one; a text or True is none."""
    return next((each for each in values if type(each) is int and each in known), None)


def works(probed: Probed, index: int) -> bool | None:
    """Whether a GPU that is there has work; None where nothing tells.

    An idle one is not always said to be: many cards name a power cap then, or nothing.
    """
    if "gpu_idle" in (probed.read(index, "throttle_reasons") or ()):
        return False
    state = number_of(probed.gpus[index], "performance_state")
    if state is not None and state >= SLOW_STATE:
        return False
    busy = probed.read(index, "utilization_percent")
    shares = [number_of(busy, part) for part in ("gpu", "memory")]
    return any(shares) if None not in shares else None
