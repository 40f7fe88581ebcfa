"""GPUs may draw as much power as is declared of them, no more and no less."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, number_of, part_of
from rackwright.checks.planned import GpuSettings, PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER
from rackwright.checks.server.probed import SHOWS_GPUS, Probed, conclude

TOLERANCE_W = 1
"""Limits are set in whole watts, and told in thousandths."""
_SET = (
    "`systemctl restart rackwright-gpu-settings.service` sets it, and its journal says why it "
    "could not; or correct `power_limit_w` of `gpus` in the inventory"
)


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """WARN where the limit is another than the declared one; a card's own is fine undeclared."""
    probed = Probed(seen)
    limits = {
        index: limit
        for index, gpu in enumerate(probed.gpus)
        if gpu and (limit := planned.settings_of(index).power_limit_w)
    }
    findings = [each for index, limit in limits.items() for each in _findings(limit, probed, index)]
    words = ", ".join(f"{limit} W" for limit in sorted(set(limits.values())))
    return conclude(probed, findings, words or "none declared")


def _findings(declared: int, probed: Probed, index: int) -> Iterator[Finding]:
    probed.read(index, "power", "limit_w")  # notes why it could not be read
    limit = number_of(part_of(probed.gpus[index], "power"), "limit_w")
    if limit is None:
        evidence = f"GPU {index} does not tell its limit, {declared} W is declared"
        yield Finding(Status.UNKNOWN, evidence, _SET)
    elif abs(limit - declared) > TOLERANCE_W:
        evidence = f"GPU {index} may draw {limit:.0f} W, {declared} W is declared"
        yield Finding(Status.WARN, evidence, _SET)


CHECK = Check(
    name="power limit",
    fine="as declared, where it is",
    judge=judge,
    healthy=SERVER,
    applies=SHOWS_GPUS,
    examples=(
        Example(
            "a power limit that was not set",
            Status.WARN,
            planned={"gpu_settings": {0: GpuSettings(power_limit_w=600)}},
        ),
        Example(
            "a power limit that is lower than declared",
            Status.WARN,
            {"gpus.0.power.limit_w": 350.0},
            planned={"gpu_settings": {0: GpuSettings(power_limit_w=700)}},
        ),
    ),
)
