"""No GPU is slowed by heat or by its power supply."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER
from rackwright.checks.server.probed import SHOWS_GPUS, Probed, conclude

SLOWED = {
    "hw_slowdown": (Status.CRITICAL, "check cooling, power cables and supply"),
    "hw_thermal_slowdown": (Status.CRITICAL, "cool it: airflow, fans, room, dust"),
    "hw_power_brake_slowdown": (Status.CRITICAL, "check the power supply and its redundancy"),
    "sw_thermal_slowdown": (Status.WARN, "cool it: airflow, fans, room, dust"),
}
"""Reasons that are faults. A power cap under load is how a GPU is meant to work."""


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL where the hardware slows itself down, WARN where the driver does."""
    probed = Probed(seen)
    findings = []
    for index in range(len(probed.gpus)):
        degrees = probed.read(index, "temperature_c")
        for reason in probed.read(index, "throttle_reasons") or ():
            if reason in SLOWED:
                status, remedy = SLOWED[reason]
                words = reason.replace("_", " ")
                findings.append(Finding(status, f"GPU {index}: {words}, {degrees} °C", remedy))
    return conclude(probed, findings, _fine(probed))


def _fine(probed: Probed) -> str:
    degrees = [gpu["temperature_c"] for gpu in probed.gpus if gpu and gpu.get("temperature_c")]
    return f"none, at most {max(degrees)} °C" if degrees else "none"


CHECK = Check(
    name="throttling",
    fine="nothing but idleness and power caps hold clocks down",
    judge=judge,
    healthy=SERVER,
    applies=SHOWS_GPUS,
    examples=(
        Example(
            "thermal slowdown by the hardware",
            Status.CRITICAL,
            {"gpus.0.throttle_reasons": ["hw_slowdown", "hw_thermal_slowdown"]},
        ),
        Example(
            "a power brake",
            Status.CRITICAL,
            {"gpus.0.throttle_reasons": ["hw_power_brake_slowdown"]},
        ),
        Example(
            "thermal slowdown by the driver",
            Status.WARN,
            {"gpus.0.throttle_reasons": ["sw_thermal_slowdown"]},
        ),
    ),
)
