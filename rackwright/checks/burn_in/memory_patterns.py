"""Nearly all of each GPU's memory gives back what was written to it."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.checks.burn_in.healthy import BURNED_IN
from rackwright.checks.burn_in.planned_burn_in import (
    BY_RETURN,
    REPLACE,
    PlannedBurnIn,
    unmeasured,
    worst_of,
)
from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.results import Finding, Status

ENOUGH = 0.8
"""Of a GPU's memory; CUDA, the matrices and comparisons take the rest."""
_GIB = 1 << 30


def judge(planned: PlannedBurnIn, seen: Observation) -> Finding:
    """CRITICAL for one word that changed; WARN where too little of the memory was free."""
    gpus = {index: gpu for index, gpu in planned.each(seen) if gpu and "error" not in gpu}
    findings = [
        *unmeasured(planned, seen),
        *(one for index, gpu in gpus.items() for one in _findings(planned, index, gpu)),
    ]
    tested = sum(gpu["memory"]["tested_bytes"] for gpu in gpus.values())
    rounds = min((gpu["rounds"] for gpu in gpus.values()), default=0)
    return worst_of(findings, f"{tested / _GIB:.3g} GiB, {rounds} rounds, every word as written")


def _findings(planned: PlannedBurnIn, index: int, gpu: Observation) -> Iterator[Finding]:
    memory = gpu["memory"]
    tested, total = memory["tested_bytes"], memory["total_bytes"]
    if memory["wrong_words"]:
        words = f"GPU {index}: {memory['wrong_words']} words changed ({', '.join(memory['first'])})"
        yield Finding(Status.CRITICAL, words, REPLACE)
    if not tested:
        yield Finding(Status.UNKNOWN, f"GPU {index}: no memory was free", "see what holds it")
    elif tested < ENOUGH * total and not planned.gpus[index].unified_memory:
        words = f"GPU {index}: only {tested / _GIB:.1f} of {total / _GIB:.1f} GiB were free"
        yield Finding(Status.WARN, words, "see what holds the rest (`nvidia-smi`)")


CHECK = Check(
    name="memory patterns",
    fine="patterns and their complements stand in 0.8 of the memory or more as they were written",
    judge=judge,
    healthy=BURNED_IN,
    applies=BY_RETURN,
    examples=(
        Example(
            "memory that changes",
            Status.CRITICAL,
            {
                "gpus.0.memory.wrong_words": 2,
                "gpus.0.memory.first": ["byte 81920: bits 00000400"],
            },
        ),
        Example(
            "memory that somebody holds", Status.WARN, {"gpus.0.memory.tested_bytes": 60 << 30}
        ),
        Example("memory that nobody could test", Status.UNKNOWN, {"gpus.0.memory.tested_bytes": 0}),
    ),
)
