"""Under full load no GPU is slowed by heat or by its power supply."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.checks.burn_in.healthy import BURNED_IN, warmth
from rackwright.checks.burn_in.planned_burn_in import BY_RETURN, PlannedBurnIn, worst_of
from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, part_of
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.throttling import SLOWED


def judge(planned: PlannedBurnIn, seen: Observation) -> Finding:
    """As the check of throttling, of the worst moment of a burn-in."""
    findings = [one for index in planned.gpus for one in _findings(planned, seen, index)]
    told = [part_of(seen, "heat", str(index)) for index in planned.gpus]
    most_c = max((one["most_c"] for one in told if one.get("most_c") is not None), default=None)
    most_w = max((one["most_w"] for one in told if one.get("most_w") is not None), default=None)
    words = [f"{most_c} °C" if most_c else "", f"{most_w:.0f} W" if most_w else ""]
    said = " and ".join(filter(None, words))
    return worst_of(findings, f"at most {said}" if said else "nothing was told of it")


def _findings(planned: PlannedBurnIn, seen: Observation, index: int) -> Iterator[Finding]:
    told = part_of(seen, "heat", str(index))
    if not told.get("samples"):
        if planned.uses_gpus:
            words = f"GPU {index} did not tell NVML how hot it was"
            yield Finding(Status.UNKNOWN, words, "see `nvidia-smi -q -i N`, and run it again")
        return
    for reason, count in told["reasons"].items():
        if reason in SLOWED:
            status, remedy = SLOWED[reason]
            share = 100 * count / told["samples"]
            words = f"GPU {index}: {reason.replace('_', ' ')} {share:.0f} % of the time"
            yield Finding(status, f"{words}, up to {told['most_c']} °C", remedy)


CHECK = Check(
    name="heat",
    fine="under the load of a burn-in nothing but power caps hold clocks down",
    judge=judge,
    healthy=BURNED_IN,
    applies=BY_RETURN,
    examples=(
        Example(
            "a GPU that its own heat slows down",
            Status.CRITICAL,
            {"heat.1": warmth(92, hw_thermal_slowdown=40)},
        ),
        Example(
            "a GPU that the driver slows down for its heat",
            Status.WARN,
            {"heat.1": warmth(88, sw_thermal_slowdown=40)},
        ),
        Example("a GPU that told nothing meanwhile", Status.UNKNOWN, {"heat.1": {}}),
    ),
)
