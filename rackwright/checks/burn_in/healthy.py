"""A burn-in without a fault: two H200 for five minutes."""

from __future__ import annotations

from typing import Any

from rackwright.checks.burn_in.planned_burn_in import PlannedBurnIn
from rackwright.checks.check import Sample
from rackwright.checks.server.healthy import SERVER

_H200 = SERVER.planned.gpu


def gpu(**more: Any) -> dict[str, Any]:
    """What was found of one."""
    memory = {"total_bytes": 150 << 30, "tested_bytes": 145 << 30, "wrong_words": 0, "first": []}
    return {
        "device": "cuda",
        "torch": "2.13.0",
        "rounds": 16,
        "seconds": 301.0,
        "memory": memory,
        "products": [product("bfloat16", 620.0), product("float32", 48.0)],
        **more,
    }


def product(kind: str, tflops: float, **more: Any) -> dict[str, Any]:
    """Of one kind of number."""
    alike = {"size": 8192, "count": 84000, "differ": 0, "unlike_float64": 0}
    return {"kind": kind, **alike, "tflops": tflops, **more}


def warmth(most_c: int = 71, **reasons: int) -> dict[str, Any]:
    """Of one GPU, in samples of two seconds."""
    return {"samples": 150, "most_c": most_c, "most_w": 699.0, "reasons": reasons}


def dcgm(status: str = "Pass", **more: Any) -> dict[str, Any]:
    """As DCGM 4 says it of one test."""
    results = [{"entity_group": "GPU", "entity_id": n, "status": "Pass"} for n in range(2)]
    results[1] |= {"status": status, **more}
    tests = [{"name": "memory", "results": results, "test_summary": {"status": status}}]
    said = {"DCGM Diagnostic": {"test_categories": [{"category": "Hardware", "tests": tests}]}}
    return {"installed": True, "status": 0, "said": said}


BURNED_IN = Sample(
    PlannedBurnIn("gpu1", {0: _H200, 1: _H200}),
    {
        "gpus": {"0": gpu(), "1": gpu()},
        "heat": {"0": warmth(sw_power_cap=120), "1": warmth(69)},
        "copies": {
            "gpu1": {
                "device": "cuda",
                "host_copies": [
                    {"place": place, "to_gb_per_s": 55.0, "back_gb_per_s": 54.0}
                    for place in range(2)
                ],
            }
        },
        "dcgm": dcgm(),
    },
)
