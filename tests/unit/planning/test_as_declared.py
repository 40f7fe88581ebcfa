"""Memory and slots are planned with as they are declared of a server."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.inventory.reading import load_fleet
from rackwright.plan import Replica
from rackwright.planning.placing import plan
from tests.samples.fleet import hosts, server, service


def replicas(*boxes: dict[str, Any], **more: Any) -> list[Replica]:
    """The first replica of each server; their GPUs have what is declared of them."""
    names = [f"gpu{number}" for number, _ in enumerate(boxes, start=1)]
    box = {
        name: {**server(number, "l40s-48gb", 2, "pcie"), "gpus": gpus(**declared)}
        for number, (name, declared) in enumerate(zip(names, boxes, strict=True), start=11)
    }
    found = plan(load_fleet(hosts(box, {"chat": service(servers=names, **more)})))
    return [found.on(name)[0] for name in names]


def gpus(**declared: Any) -> dict[str, Any]:
    return {"type": "l40s-48gb", "count": 2, **declared}


def test_the_memory_is_that_of_the_declared_ecc() -> None:
    unsaid, on, off = replicas({}, {"ecc": True}, {"ecc": False}, gpu_memory_utilization=0.9)
    assert unsaid.memory.usable_bytes == on.memory.usable_bytes
    more = off.memory.usable_bytes - on.memory.usable_bytes
    assert more == pytest.approx(0.9 * (49140 - 46068) * 2**20, rel=0.001)
    assert off.memory.kv_cache_tokens > on.memory.kv_cache_tokens


def test_a_slot_that_gives_less_makes_tensor_parallelism_slower() -> None:
    whole, one, both, old = replicas(
        {},
        {"pcie_lanes": [16, 4]},
        {"pcie_lanes": 4},
        {"pcie_generation": 3},
        tensor_parallel_size=2,
    )
    times = [each.speeds[0].tpot_ms for each in (whole, old, one, both)]
    assert times[0] < times[1] < times[2] == times[3]
