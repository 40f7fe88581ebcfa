"""While requests run, the GPUs of a replica work alike: tensor parallel ranks wait for the last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, number_of
from rackwright.checks.planned import PlannedReplica
from rackwright.checks.replica.healthy import REPLICA, busy_gpu
from rackwright.checks.replica.when import HAD_A_BURST
from rackwright.checks.results import Finding, Status

IDLE = 2.0
"""Percent. A GPU that has part of the model is busier than this while tokens are made."""
UNEVEN = 25.0
"""Percentage points between ranks, which do the same work at the same time."""
SLOW_CLOCK = 0.85
"""A rank whose multiprocessors run below this share of the fastest holds up the others."""
_UNUSED = "see CUDA_VISIBLE_DEVICES in the replica's environment file, and the unit's journal"
_LOOK = (
    "the busiest GPU waits least: look for what slows it or the others (throttling, power limit, "
    "PCIe, links, somebody else's process), each has a check"
)
_COOL = "see the checks of throttling and PCIe; compare power limits with `nvidia-smi -q -d POWER`"

_NOT_THERE = "NVMLError_NotSupported"

Found = tuple[Status, str, str]


def judge(planned: PlannedReplica, seen: Observation) -> Finding:
    """CRITICAL for a GPU that does nothing; WARN where ranks differ. Stages may differ."""
    burst = seen.get("burst") or {}
    if burst.get("errors"):
        evidence = "the requests failed"
        return Finding(Status.UNKNOWN, evidence, "see the throughput check")
    gpus = burst.get("gpus") or {}
    busy = {gpu: number_of(gpus.get(str(gpu)), "utilization_percent") for gpu in planned.gpus}
    known = {gpu: percent for gpu, percent in busy.items() if percent is not None}
    reasons = _reasons(gpus)
    if reasons and all(reason.startswith(_NOT_THERE) for reason in reasons):
        return Finding(Status.OK, "these GPUs do not tell their utilisation")
    if len(known) < len(planned.gpus) or not known:
        evidence = f"utilisation could not be sampled ({'; '.join(reasons) or 'was not observed'})"
        return Finding(Status.UNKNOWN, evidence, "see nvidia-smi on the host")
    size = max(1, planned.tensor_parallel_size)
    stages = [planned.gpus[start : start + size] for start in range(0, len(planned.gpus), size)]
    each = ", ".join(f"GPU {gpu}: {percent:.0f} %" for gpu, percent in known.items())
    if idle := [str(gpu) for gpu, percent in known.items() if percent < IDLE]:
        evidence = f"GPU {', '.join(idle)} does nothing while requests run ({each})"
        return Finding(Status.CRITICAL, evidence, _UNUSED)
    for stage in stages:
        for status, words, remedy in _uneven(stage, known, gpus):
            return Finding(status, f"{words} ({each})", remedy)
    in_turn = "stages of a pipeline work in turn, data parallel groups on requests of their own"
    why = f"; {in_turn}, so they may differ" if len(stages) > 1 else ""
    return Finding(Status.OK, f"{each}{why}")


def _uneven(
    stage: tuple[int, ...], busy: Mapping[int, float], gpus: Mapping[str, Any]
) -> Iterator[Found]:
    """What is unlike between the tensor parallel ranks of one stage."""
    least, most = min(stage, key=busy.__getitem__), max(stage, key=busy.__getitem__)
    if busy[most] - busy[least] > UNEVEN:
        yield Status.WARN, f"GPU {least} works less than GPU {most}", _LOOK
    clocks = {gpu: number_of(gpus[str(gpu)], "clock_mhz") for gpu in stage}
    known = {gpu: mhz for gpu, mhz in clocks.items() if mhz}
    if not known:
        return
    slow, fast = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    if known[slow] < known[fast] * SLOW_CLOCK:
        words = f"GPU {slow} runs at {known[slow]:.0f} MHz, GPU {fast} at {known[fast]:.0f}"
        yield Status.WARN, words, _COOL


def _reasons(gpus: Mapping[str, Any]) -> list[str]:
    return sorted({str(gpu["reason"]) for gpu in gpus.values() if gpu.get("reason")})


CHECK = Check(
    name="balance",
    fine=(
        "during a burst of requests each of its GPUs works, and tensor parallel ranks alike: "
        "within 25 points of utilisation, and within 15 % of the clock; pipeline stages may differ"
    ),
    judge=judge,
    healthy=REPLICA,
    applies=HAD_A_BURST,
    examples=(
        Example("a tensor parallel rank that lags", Status.WARN, {"burst.gpus.1": busy_gpu(50)}),
        Example(
            "a rank whose clock is lower",
            Status.WARN,
            {"burst.gpus.1": busy_gpu(96, 1200)},
        ),
        Example("a GPU that does nothing", Status.CRITICAL, {"burst.gpus.1": busy_gpu(0)}),
    ),
)
