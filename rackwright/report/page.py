"""A fleet as one HTML page: each server's GPUs and links drawn, memory, and what the checks say."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from rackwright.catalog import gpu_types
from rackwright.checks.results import CheckResult, Status
from rackwright.plan import FleetPlan
from rackwright.topology import observed

_GIB = 1024**3
_STEP, _BOX = 118, 98
"""Pixels from one GPU to the next, and across one."""
_environment = Environment(
    loader=PackageLoader("rackwright.report", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Link:
    """A line of the drawing: from GPU ``start`` to GPU ``end``, or to the switch (None)."""

    start: int
    end: int | None
    up: int
    count: int

    @property
    def state(self) -> str:
        """``ok``, ``warn`` where some links are down, ``critical`` where all are."""
        return "ok" if self.up == self.count else "warn" if self.up else "critical"


@dataclass(frozen=True)
class Gpu:
    """One GPU of the drawing; memory in GiB, ``replica`` as planned, "" for none."""

    index: int
    name: str
    used_gib: float
    total_gib: float
    temperature_c: int | None
    pcie: str
    pcie_state: str
    replica: str

    @property
    def x(self) -> int:
        """Pixels from the left."""
        return self.index * _STEP

    @property
    def used(self) -> float:
        """Share of the memory in use."""
        return self.used_gib / self.total_gib if self.total_gib else 0.0


@dataclass(frozen=True)
class Host:
    """One host of the page."""

    name: str
    about: str
    status: Status
    gpus: list[Gpu]
    links: list[Link]
    results: list[CheckResult]

    @property
    def switched(self) -> bool:
        """Whether any link goes to a switch."""
        return any(link.end is None for link in self.links)

    @property
    def width(self) -> int:
        """Pixels across the drawing."""
        return max(1, len(self.gpus)) * _STEP - (_STEP - _BOX)


def page(
    plan: FleetPlan, results: Sequence[CheckResult], observations: Mapping[str, Mapping[str, Any]]
) -> str:
    """The page, whole in one file; ``observations`` as of ``rackwright verify``."""
    names = dict.fromkeys([*plan.servers, *(result.host for result in results)])
    hosts = [_host(name, plan, results, observations.get(name) or {}) for name in names]
    counts = Counter(result.status for result in results)
    return _environment.get_template("page.html.j2").render(
        hosts=hosts,
        counts=[(status, counts[status]) for status in Status if counts[status]],
        made=time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        box=_BOX,
        OK=Status.OK,
    )


def _host(
    name: str, plan: FleetPlan, results: Sequence[CheckResult], seen: Mapping[str, Any]
) -> Host:
    probe = seen.get("probe") or {}
    own = [result for result in results if result.host == name]
    order = (Status.CRITICAL, Status.UNKNOWN, Status.WARN)
    status = next((each for each in order if any(r.status is each for r in own)), Status.OK)
    server = plan.servers.get(name)
    about = "gateway"
    if server:
        link = "" if server.interconnect == "none" else f", {server.interconnect}"
        kind = gpu_types()[server.gpus.type].name
        about = f"{server.gpus.count} x {kind}{link}, {server.address}"
    tenants = {i: replica.name for replica in plan.on(name) for i in replica.gpus}
    gpus = [_gpu(i, gpu or {}, tenants) for i, gpu in enumerate(probe.get("gpus") or ())]
    ranked = sorted(own, key=lambda r: order.index(r.status) if r.status in order else len(order))
    return Host(name, about, status, gpus, _links(probe), ranked)


def _gpu(index: int, gpu: Mapping[str, Any], tenants: Mapping[int, str]) -> Gpu:
    memory, pcie = gpu.get("memory") or {}, gpu.get("pcie") or {}
    width, lanes = pcie.get("width"), pcie.get("max_width")
    return Gpu(
        index=index,
        name=str(gpu.get("name") or "lost").removeprefix("NVIDIA "),
        used_gib=(memory.get("used_bytes") or 0) / _GIB,
        total_gib=(memory.get("total_bytes") or 0) / _GIB,
        temperature_c=gpu.get("temperature_c"),
        pcie=f"gen{pcie.get('generation')} x{width}" if width else "no PCIe",
        pcie_state="ok" if width and width == lanes else "critical",
        replica=tenants.get(index, ""),
    )


def _links(probe: Mapping[str, Any]) -> list[Link]:
    """One line a pair of GPUs, or a GPU and its switch, for all links between them."""
    gpus = probe.get("gpus") or ()
    address = {(gpu or {}).get("pci_bus_id"): i for i, gpu in enumerate(gpus) if gpu}
    up: Counter[tuple[int, int | None]] = Counter()
    count: Counter[tuple[int, int | None]] = Counter()
    joined = {i: island for island in observed(probe).islands for i in island}
    for index, gpu in enumerate(gpus):
        for link in (gpu or {}).get("nvlinks") or ():
            end = address.get(link.get("remote_pci_bus_id"))
            if end is not None and end < index:
                continue  # told by the other end already
            if end is None and link.get("remote_type") != "switch" and len(joined[index]) < 2:
                continue
            count[index, end] += 1
            up[index, end] += bool(link.get("active"))
    return [Link(start, end, up[start, end], n) for (start, end), n in count.items()]
