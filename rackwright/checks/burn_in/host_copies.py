"""Copies between the host's memory and each GPU, beside what its PCIe link carries."""

from __future__ import annotations

from rackwright.catalog import links
from rackwright.checks.burn_in.healthy import BURNED_IN
from rackwright.checks.burn_in.planned_burn_in import BY_RETURN, PlannedBurnIn, worst_of
from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, part_of
from rackwright.checks.results import Finding, Status

FINE, POOR = 0.5, 0.25
"""Shares of the link's nominal bandwidth: below the first is WARN, below the second CRITICAL. A
link of half its lanes, or of a generation less, is below the first."""
_MEND = "see the checks of PCIe; reseat the card or its riser"


def judge(planned: PlannedBurnIn, seen: Observation) -> Finding:
    """The slower way of each GPU, one at a time. On CPUs nothing is expected."""
    measured = part_of(seen, "copies", planned.host)
    if "error" in measured:
        return Finding(Status.CRITICAL, f"not measured: {measured['error']}", _MEND)
    rows = {row["place"]: row for row in measured["host_copies"]}
    findings, rates = [], []
    for place, (index, gpu) in enumerate(planned.gpus.items()):
        if place not in rows:
            findings.append(
                Finding(Status.UNKNOWN, f"GPU {index} was not measured", "run it again")
            )
            continue
        rate = float(min(rows[place]["to_gb_per_s"], rows[place]["back_gb_per_s"]))
        rates.append(rate)
        nominal = links().pcie.gb_per_s_per_lane[gpu.pcie_generation] * gpu.pcie_lanes
        if planned.uses_gpus and not gpu.unified_memory and rate < FINE * nominal:
            status = Status.WARN if rate >= POOR * nominal else Status.CRITICAL
            words = f"GPU {index}: {rate:.1f} GB/s, {nominal:.0f} by its link"
            findings.append(Finding(status, words, _MEND))
    return worst_of(findings, f"{min(rates, default=0.0):.1f} GB/s and more")


CHECK = Check(
    name="host copies",
    fine="copies to and from each GPU, one at a time, reach half of what its PCIe link carries",
    judge=judge,
    healthy=BURNED_IN,
    applies=BY_RETURN,
    examples=(
        Example(
            "a GPU that the host reaches slowly",
            Status.WARN,
            {"copies.gpu1.host_copies.1.to_gb_per_s": 25.0},
        ),
        Example(
            "a GPU that the host hardly reaches",
            Status.CRITICAL,
            {"copies.gpu1.host_copies.1.back_gb_per_s": 6.0},
        ),
        Example(
            "copies that failed",
            Status.CRITICAL,
            {"copies.gpu1": {"error": "CUDA error: uncorrectable ECC error encountered"}},
        ),
    ),
)
