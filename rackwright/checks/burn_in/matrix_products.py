"""The same product of matrices is the same each time, and what float64 says it is."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

from rackwright.checks.burn_in.healthy import BURNED_IN, product
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

PEERS, CATALOG = 0.8, 0.3
"""Shares below which a GPU is slow: of the median of its type in the server, and of what the
catalog says of BF16 (H100 and H200 reach 0.6 to 0.7 of it in such products)."""
_COOL = "see heat and the power limit; then compare it in another slot"


def judge(planned: PlannedBurnIn, seen: Observation) -> Finding:
    """CRITICAL for one wrong number; WARN for a GPU that is much slower than its like."""
    gpus = {index: gpu for index, gpu in planned.each(seen) if gpu and "error" not in gpu}
    findings = [
        *unmeasured(planned, seen),
        *(one for index, gpu in gpus.items() for one in _wrong(index, gpu["products"])),
        *(_slow(planned, gpus) if planned.uses_gpus else ()),
    ]
    return worst_of(findings, _fine(gpus))


def _wrong(index: int, products: list[Any]) -> Iterator[Finding]:
    if not products:
        yield Finding(Status.UNKNOWN, f"GPU {index} multiplied nothing", "run it again")
    for one in products:
        words = f"GPU {index}: of {one['count']} products in {one['kind']}"
        if one["differ"]:
            words = f"{words} {one['differ']} numbers were not the same again"
            yield Finding(Status.CRITICAL, words, REPLACE)
        if one["unlike_float64"]:
            words = f"{words} {one['unlike_float64']} numbers are not what float64 says"
            yield Finding(Status.CRITICAL, words, REPLACE)
        if not one["count"]:
            yield Finding(Status.UNKNOWN, words, "run it again")


def _slow(planned: PlannedBurnIn, gpus: dict[int, Any]) -> Iterator[Finding]:
    speeds = {index: gpu["products"][0]["tflops"] for index, gpu in gpus.items()}
    for index, speed in speeds.items():
        kind = planned.gpus[index]
        usual = median(speeds[other] for other in speeds if planned.gpus[other] == kind)
        stated = kind.dense_tflops.get("bf16") or kind.dense_tflops.get("fp16") or 0.0
        if speed < PEERS * usual:
            words = f"GPU {index}: {speed:.0f} TFLOPS, the others of its type {usual:.0f}"
            yield Finding(Status.WARN, words, _COOL)
        elif speed < CATALOG * stated:
            words = f"GPU {index}: {speed:.0f} TFLOPS, {stated:.0f} by the catalog"
            yield Finding(Status.WARN, words, _COOL)


def _fine(gpus: dict[int, Any]) -> str:
    products = [one for gpu in gpus.values() for one in gpu["products"]]
    seconds = min((gpu["seconds"] for gpu in gpus.values()), default=0.0)
    fastest = max((one["tflops"] for one in products), default=0.0)
    count = sum(one["count"] for one in products)
    return f"{count:,} products in {seconds:.0f} s, all right, up to {fastest:.3g} TFLOPS"


CHECK = Check(
    name="matrix products",
    fine="each repeated product is equal to the first bit by bit, and rows of it to float64's",
    judge=judge,
    healthy=BURNED_IN,
    applies=BY_RETURN,
    examples=(
        Example(
            "a GPU that computes something else now and then",
            Status.CRITICAL,
            {"gpus.1.products.0": product("bfloat16", 620.0, differ=3)},
        ),
        Example(
            "a GPU that computes wrongly each time",
            Status.CRITICAL,
            {"gpus.1.products.1": product("float32", 48.0, unlike_float64=12)},
        ),
        Example(
            "a GPU that is slower than its like",
            Status.WARN,
            {"gpus.1.products.0": product("bfloat16", 310.0)},
        ),
    ),
)
