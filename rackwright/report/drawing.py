"""A server's GPUs and links as shapes of a drawing: where each is, and in which state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rackwright.report.arcs import BOX, STEP, LinkArc, links

_GIB = 1024**3
_SWITCH_TOP = 52


@dataclass(frozen=True)
class Gpu:
    """One GPU of the drawing; memory in GiB, also as planned (0 where nothing is planned).

    ``replicas`` are those planned on it; ``about`` says what is unusual of it.
    """

    index: int
    there: bool
    about: str
    used_gib: float
    planned_gib: float
    total_gib: float
    temperature_c: int | None
    pcie: str
    pcie_state: str
    replicas: tuple[str, ...]

    @property
    def x(self) -> int:
        """Pixels from the left."""
        return self.index * STEP

    def share(self, gib: float) -> float:
        """A part of its memory, 0 to 1."""
        return min(1.0, gib / self.total_gib) if self.total_gib else 0.0


@dataclass(frozen=True)
class Node:
    """GPUs side by side on one NUMA node."""

    name: str
    x: int
    width: int


@dataclass(frozen=True)
class Drawing:
    """One server, as far as its probe answered."""

    gpus: list[Gpu]
    links: list[LinkArc]
    nodes: list[Node]

    @property
    def switched(self) -> bool:
        """Whether any link goes to a switch."""
        return any(link.end is None for link in self.links)

    @property
    def width(self) -> int:
        """Pixels across."""
        return len(self.gpus) * STEP - (STEP - BOX)

    @property
    def top(self) -> int:
        """Pixels above the GPUs, for the links."""
        arcs = max((link.height for link in self.links if link.end is not None), default=-20)
        return max(_SWITCH_TOP if self.switched else 0, arcs + 20)


def drawing(
    probe: Mapping[str, Any],
    declared: int = 0,
    joined: bool = True,
    tenants: Sequence[tuple[int, str, int]] = (),
    usual: str = "",
) -> Drawing:
    """The drawing of what a probe saw, with boxes for GPUs that are missing of those ``declared``.

    ``joined`` is whether NVLink is declared; ``tenants`` are GPU index, name and bytes of each
    planned replica; ``usual`` is the name of the GPU type that is declared.
    """
    seen = list(probe.get("gpus") or ())
    gpus = [*seen, *[None] * (declared - len(seen))] if seen else []
    boxes = [_gpu(i, gpu, i >= len(seen), tenants, usual) for i, gpu in enumerate(gpus)]
    return Drawing(boxes, links(probe, joined), list(_nodes(gpus)))


def _gpu(
    index: int,
    gpu: Mapping[str, Any] | None,
    missing: bool,
    tenants: Sequence[tuple[int, str, int]],
    usual: str,
) -> Gpu:
    of, own = gpu or {}, [tenant for tenant in tenants if tenant[0] == index]
    memory, name = of.get("memory") or {}, str(of.get("name") or "")
    about = "missing" if missing else "lost" if gpu is None else "" if name == usual else name
    pcie, state = _pcie(of.get("pcie") or {})
    return Gpu(
        index=index,
        there=gpu is not None,
        about=about,
        used_gib=(memory.get("used_bytes") or 0) / _GIB,
        planned_gib=sum(size for _, _, size in own) / _GIB,
        total_gib=(memory.get("total_bytes") or 0) / _GIB,
        temperature_c=of.get("temperature_c"),
        pcie=pcie,
        pcie_state=state,
        replicas=tuple(replica for _, replica, _ in own),
    )


def _pcie(pcie: Mapping[str, Any]) -> tuple[str, str]:
    """What the slot gives, and how bad that is. An idle link's own generation says nothing."""
    width, lanes = pcie.get("width"), pcie.get("max_width")
    generation, able = pcie.get("max_generation"), pcie.get("gpu_max_generation")
    if not width or not lanes:
        return "PCIe ?", "unknown"
    slow = bool(generation and able and generation < able)
    state = "critical" if width < lanes else "warn" if slow else "ok"
    return f"gen{generation or '?'} x{width}", state


def _nodes(gpus: Sequence[Mapping[str, Any] | None]) -> Iterator[Node]:
    """Neighbours of one NUMA node together; a GPU that is not there is on none."""
    places = [(gpu or {}).get("numa_node") for gpu in gpus]
    for node, group in groupby(range(len(gpus)), key=lambda index: places[index]):
        members = list(group)
        if node is not None:
            first, last = members[0], members[-1]
            yield Node(f"NUMA node {node}", first * STEP, (last - first) * STEP + BOX)
