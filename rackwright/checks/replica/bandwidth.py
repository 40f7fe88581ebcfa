"""Measured bandwidth between a replica's GPUs, beside what the catalog says of that link.

Not one of the checks of every run: measuring needs the GPUs' memory and time
(``rackwright bandwidth``).
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.catalog import gpu_types
from rackwright.checks.check import Check, Example, Sample, When
from rackwright.checks.observed import Observation
from rackwright.checks.replica.planned_links import PlannedLinks
from rackwright.checks.results import Finding, Status

SIZES_BYTES = (1 << 20, 16 << 20, 256 << 20)
NEEDED_BYTES = 3 * SIZES_BYTES[-1] + (2 << 30)
"""Of each GPU: three of the largest transfer, and 2 GiB for CUDA and NCCL in two processes."""
FINE, POOR = 0.7, 0.4
"""Shares of the catalog's figure: below the first is WARN, below the second CRITICAL.

Two H200 reach 1.04 of it in an all-reduce of 256 MiB (tests/data/h200x2/p2p.txt), and what falls
back to PCIe, or to the host's memory, less than 0.3.
"""
_GIB = 1024**3
_MEND = "see the checks of links, PCIe and Xid errors; ACS and IOMMU settings slow PCIe down"
_STOP = "stop {name} (`systemctl stop {unit}`), measure, start it again"


def refused(links: PlannedLinks, glance: Observation) -> Finding | None:
    """UNKNOWN where the GPUs have no memory left to measure with; None where they have.

    ``glance`` is what ``probe.glance()`` answered.
    """
    gpus = glance.get("gpus") or ()
    for index in links.gpus:
        memory = ((gpus[index] if index < len(gpus) else None) or {}).get("memory") or {}
        free = memory.get("free_bytes")
        if free is None:
            return Finding(Status.UNKNOWN, f"not measured: GPU {index} does not tell its memory")
        if free < NEEDED_BYTES:
            evidence = (
                f"not measured: GPU {index} has {free / _GIB:.1f} GiB free, "
                f"{NEEDED_BYTES / _GIB:.1f} are needed"
            )
            remedy = _STOP.format(name=links.name, unit=links.unit)
            return Finding(Status.UNKNOWN, evidence, remedy)
    return None


def judge(planned: PlannedLinks, seen: Observation) -> Finding:
    """The worst of the copies and the largest all-reduce, each with what is expected.

    ``seen`` is what ``remote/bandwidth.py`` answered of these links, or the ``glance`` at the GPUs
    for which it was not asked.
    """
    if "glance" in seen and (finding := refused(planned, seen["glance"])):
        return finding
    if "error" in seen:
        return Finding(Status.UNKNOWN, f"not measured: {seen['error']}", _MEND)
    rows = list(_rows(planned, seen))
    if seen.get("device") != "cuda":
        words = ", ".join(f"{what} {got:.1f} GB/s" for what, got, _ in rows)
        return Finding(Status.UNKNOWN, f"between processes, without GPUs: {words}")
    if not rows:
        return Finding(Status.UNKNOWN, "nothing was measured")
    share = min(got / expected for _, got, expected in rows)
    status = Status.OK if share >= FINE else Status.WARN if share >= POOR else Status.CRITICAL
    words = ", ".join(f"{what} {got:.0f} GB/s ({want:.0f} expected)" for what, got, want in rows)
    return Finding(status, words, "" if status is Status.OK else _MEND)


def _rows(planned: PlannedLinks, seen: Observation) -> Iterator[tuple[str, float, float]]:
    """What was measured, GB/s, GB/s expected."""
    for copy in seen.get("copies") or ():
        places = copy["pair"]
        first, second = (planned.gpus[place] for place in places)
        kind, of = planned.link(places)
        expected = of.bandwidth_gb_per_s * planned.share(places)
        yield f"{kind} copy {first} to {second}", float(copy["gb_per_s"]), expected
    largest = max(seen.get("all_reduces") or (), key=lambda row: row["size_bytes"], default=None)
    if largest:
        places = range(len(planned.gpus))
        kind, of = planned.link(places)
        near = min((n for n in of.all_reduce_gb_per_s if n >= len(places)), default=8)
        expected = of.all_reduce_gb_per_s[near] * planned.share(places)
        size_mib = largest["size_bytes"] >> 20
        yield f"{kind} all-reduce of {size_mib} MiB", float(largest["gb_per_s"]), expected


HEALTHY = Sample(
    PlannedLinks(
        name="chat-gpu1-0",
        host="gpu1",
        unit="rackwright-chat-gpu1-0.service",
        engine="vllm",
        gpus=(0, 1),
        gpu=gpu_types()["h200-sxm-141gb"],
        interconnect="nvswitch",
        islands=((0, 1),),
    ),
    {
        "device": "cuda",
        "copies": [{"pair": [0, 1], "gb_per_s": 393.0}],
        "all_reduces": [{"size_bytes": SIZES_BYTES[-1], "gb_per_s": 298.0}],
    },
)
"""As two real H200 were measured (``tests/data/h200x2/p2p.txt``)."""
CHECK = Check(
    name="bandwidth",
    fine="the copies and the largest all-reduce reach 0.7 of what the catalog says of their link",
    judge=judge,
    healthy=HEALTHY,
    applies=When(
        "on two GPUs or more, by `rackwright bandwidth` alone", lambda planned, seen: True
    ),
    examples=(
        Example("links slower than theirs", Status.WARN, {"all_reduces.0.gb_per_s": 180.0}),
        Example("a link that falls back to PCIe", Status.CRITICAL, {"copies.0.gb_per_s": 45.0}),
        Example(
            "a replica that leaves no memory to measure with",
            Status.UNKNOWN,
            {"glance": {"gpus": [{"memory": {"free_bytes": 1 << 30}}] * 2}},
        ),
    ),
)
