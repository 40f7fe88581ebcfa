"""The links of a server as lines of a drawing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rackwright.planning.topology import bus_address

STEP, BOX = 118, 108
"""Pixels from one GPU to the next, and across one."""
_ARC, _ARC_STEP = 22, 26
"""Pixels up to the top of an arc between neighbours, and more for each GPU between."""
_SWITCH, _NOBODY = -1, -2


@dataclass(frozen=True)
class LinkArc:
    """A line of the drawing: from GPU ``start`` to GPU ``end``, or to the switch (None)."""

    start: int
    end: int | None
    up: int
    count: int

    @property
    def state(self) -> str:
        """``ok``, ``warn`` where some links are down, ``critical`` where all are."""
        return "ok" if self.up == self.count else "warn" if self.up else "critical"

    @property
    def height(self) -> int:
        """Pixels of an arc: those over more GPUs are higher."""
        return _ARC + _ARC_STEP * ((self.end or self.start) - self.start - 1)

    @property
    def x(self) -> float:
        """Pixels from the left where it starts; arcs of one GPU start apart."""
        return _middle(self.start) + (0 if self.end is None else self._apart)

    @property
    def far_x(self) -> float:
        """Pixels from the left where it ends."""
        return self.x if self.end is None else _middle(self.end) - self._apart

    @property
    def _apart(self) -> int:
        return max(0, 24 - 8 * ((self.end or 0) - self.start - 1))


def links(probe: Mapping[str, Any], joined: bool = True) -> list[LinkArc]:
    """One line a pair of GPUs, or a GPU and its switch, for all links between them.

    A link is up where both its ends say so. One that is down does not tell its other end: it is
    counted with the GPU's other links, and left out where no NVLink is declared (``joined``).
    """
    gpus = [gpu or {} for gpu in probe.get("gpus") or ()]
    index_of = {bus_address(gpu.get("pci_bus_id")): index for index, gpu in enumerate(gpus)}
    told: dict[tuple[int, int | None], list[bool]] = {}
    for index, gpu in enumerate(gpus):
        each = [
            (_end(link, index_of), bool(link.get("active"))) for link in gpu.get("nvlinks") or ()
        ]
        known = Counter(end for end, _ in each if end != _NOBODY).most_common(1)
        for end, up in each:
            if end == _NOBODY and known:
                end = known[0][0]
            if end != _NOBODY or joined:
                told.setdefault((index, None if end in (_SWITCH, _NOBODY) else end), []).append(up)
    return list(_merged(told))


def _end(link: Mapping[str, Any], index_of: Mapping[str, int]) -> int:
    far = bus_address(link.get("remote_pci_bus_id"))
    if far and far in index_of:
        return index_of[far]
    return _SWITCH if link.get("remote_type") == "switch" else _NOBODY


def _merged(told: Mapping[tuple[int, int | None], list[bool]]) -> Iterator[LinkArc]:
    for (start, end), ups in told.items():
        back = told.get((end, start)) if end is not None else None
        if end is not None and end < start and back is not None:
            continue  # drawn from the other end
        near, far = sorted((start, start if end is None else end))
        up = min(sum(ups), sum(back)) if back is not None else sum(ups)
        yield LinkArc(near, None if end is None else far, up, len(ups))


def _middle(index: int) -> float:
    return index * STEP + BOX / 2
