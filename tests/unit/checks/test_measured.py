"""Checks of what an engine delivers, on engines that were measured: none of them gives an alarm.

Engines on H100 and H200 (tests/data), each beside its own prediction; and the same with a fault
that costs what such faults cost. A row that is no measure of the prediction (its file says why)
must give no alarm either; what a fault makes of it says nothing.
"""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.planner.rows import Row, measured_rows
from rackwright.checks.planned import PlannedReplica, Predicted
from rackwright.checks.replica import delivery, kv_cache, throughput
from rackwright.checks.results import CheckResult, Status

ROWS = [row for row in measured_rows() if row.run.get("kv_cache_tokens")]
LOADS = [(row, load) for row in ROWS for load in row.loads]
TIMED = [(row, load) for row, load in LOADS if {"tpot_ms", "ttft_ms"} <= set(load)]
ALONE = [(row, load) for row, load in TIMED if load["concurrency"] == 1]
MANY = [(row, load) for row, load in LOADS if load["concurrency"] > 1]
PCIE = 3.0
"""Decoding over PCIe instead of NVLink, or at a third of the clock."""


def named(value: Any) -> str:
    return f"{value.source} {value.name}" if isinstance(value, Row) else f"{value['concurrency']}"


def replica(row: Row, concurrency: int = 32) -> PlannedReplica:
    speeds = (row.speed(1), row.speed(concurrency))
    predicted = Predicted(row.memory.kv_cache_tokens, speeds)
    return PlannedReplica(
        "chat-gpu1-0",
        "gpu1",
        "rackwright-chat-gpu1-0.service",
        8000,
        "llama",
        8192,
        engine="vllm",
        figures=("kv_cache_tokens",),
        predicted=predicted,
        gpus=tuple(range(row.split.gpus)),
    )


def streamed(load: dict[str, Any], slower: float = 1.0) -> dict[str, Any]:
    first_s = load["ttft_ms"] / 1e3
    last_s = first_s + 63 * load["tpot_ms"] * slower / 1e3
    return {"status": 200, "tokens": 64, "first_s": first_s, "last_s": last_s, "others": 0}


def burst(row: Row, load: dict[str, Any], slower: float = 1.0) -> CheckResult:
    count = load["concurrency"] // row.replicas
    tokens = load["out_tok_s"] / row.replicas / slower
    seen = {"requests": count, "others": 0, "tokens": tokens, "seconds": 1.0, "errors": []}
    return throughput.CHECK.ask(replica(row, load["concurrency"]), {"burst": seen})


def test_there_are_enough_of_them() -> None:
    assert len(ROWS) >= 16 and len(ALONE) >= 8 and len(MANY) >= 12


@pytest.mark.parametrize("row", ROWS, ids=named)
def test_the_kv_cache_of_a_measured_engine_is_as_planned(row: Row) -> None:
    tokens = row.run["kv_cache_tokens"]
    seen = {"metrics": {"status": 200, "body": {"kv_cache_tokens": tokens}}}
    result = kv_cache.CHECK.ask(replica(row), seen)
    assert result.status is Status.OK, result.evidence


@pytest.mark.parametrize(("row", "load"), ALONE, ids=named)
def test_one_request_to_a_measured_engine_is_as_fast_as_planned(
    row: Row, load: dict[str, Any]
) -> None:
    result = delivery.CHECK.ask(replica(row), {"delivery": streamed(load)})
    assert result.status is Status.OK or row.untrusted(load), result.evidence
    slow = delivery.CHECK.ask(replica(row), {"delivery": streamed(load, PCIE)})
    assert slow.status is Status.WARN, slow.evidence


@pytest.mark.parametrize(("row", "load"), MANY, ids=named)
def test_many_requests_to_a_measured_engine_give_the_planned_tokens(
    row: Row, load: dict[str, Any]
) -> None:
    result = burst(row, load)
    assert result.status is Status.OK or row.untrusted(load), result.evidence
    slow = burst(row, load, PCIE)
    assert slow.status is Status.WARN or row.untrusted(load), slow.evidence
