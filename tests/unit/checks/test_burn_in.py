"""A burn-in judged: every form of DCGM's answer, slow GPUs, GPUs that came to no end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rackwright.catalog import gpu_types
from rackwright.checks import checks_about
from rackwright.checks.burn_in import dcgm, heat, host_copies, matrix_products, memory_patterns
from rackwright.checks.burn_in.healthy import BURNED_IN, gpu, product, warmth
from rackwright.checks.burn_in.planned_burn_in import PlannedBurnIn
from rackwright.checks.results import Status

OK, WARN, CRITICAL, UNKNOWN = Status.OK, Status.WARN, Status.CRITICAL, Status.UNKNOWN
PLANNED, SEEN = BURNED_IN.planned, BURNED_IN.seen
ON_CPUS = replace(PLANNED, uses_gpus=False)


def old(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    """As DCGM 2 and 3 say it."""
    tests = [{"name": "PCIe", "results": list(results)}]
    body = {"version": "3.3.5", "test_categories": [{"category": "Integration", "tests": tests}]}
    return {"installed": True, "said": {"DCGM GPU Diagnostic": {**body, **more}}}


DCGM: dict[str, tuple[Any, Status, str]] = {
    "none": ({"installed": False}, OK, "not installed"),
    "of before, well": (old({"gpu_ids": "0,1", "status": "Pass"}), OK, "1 tests of GPUs passed"),
    "of before, words alone": (
        old({"gpu_ids": "1", "status": "Fail", "warnings": "too slow"}, {"status": "Pass"}),
        CRITICAL,
        "GPU 1: PCIe: too slow",
    ),
    "of before, a list": (
        old({"gpu_id": 1, "status": "Fail", "warnings": [{"warning": "a"}, "b"]}),
        CRITICAL,
        "GPU 1: PCIe: a; b",
    ),
    "a setting beside a fault": (
        old(
            {
                "gpu_ids": "0",
                "status": "Fail",
                "warnings": [
                    {"warning": "persistence", "error_severity": 5},
                    {"warning": "ecc", "error_severity": 2},
                ],
            }
        ),
        CRITICAL,
        "persistence; ecc",
    ),
    "a warning": (old({"gpu_ids": "0", "status": "Warn"}, {"status": "Pass"}), WARN, "warn"),
    "nothing was tested": (old({"gpu_ids": "0", "status": "Skip"}), UNKNOWN, "no test passed"),
    "an error of its own": (old(runtime_error="no permission"), UNKNOWN, "no permission"),
    "no tests": ({"installed": True, "said": {"DCGM Diagnostic": {}}}, UNKNOWN, "names no test"),
    "another document": ({"installed": True, "said": {"x": 1}}, UNKNOWN, "names no test"),
    "in time it was not": ({"installed": True, "error": "not done"}, UNKNOWN, "not done"),
    "not asked": (None, UNKNOWN, "names no test"),
    "garbled": (old(7), UNKNOWN, "garbled"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", DCGM)
def test_dcgm_s_answer_in_every_form(name: str) -> None:
    answer, status, words = DCGM[name]
    row = dcgm.CHECK.ask(PLANNED, {**SEEN, "dcgm": answer})
    assert (row.status, words in row.evidence) == (status, True), row


def with_gpus(first: Any, second: Any) -> dict[str, Any]:
    return {**SEEN, "gpus": {"0": first, "1": second}}


@pytest.mark.parametrize("check", [matrix_products.CHECK, memory_patterns.CHECK])
def test_a_gpu_that_came_to_no_end_is_named(check: Any) -> None:
    error = {"error": "CUDA error: an illegal instruction was encountered"}
    row = check.ask(PLANNED, with_gpus(gpu(), error))
    assert row.status is CRITICAL and "GPU 1 failed: CUDA error: an illegal" in row.evidence
    row = check.ask(PLANNED, with_gpus(gpu(), {}))
    assert row.status is UNKNOWN and "GPU 1 was not burned in" in row.evidence


def test_a_type_is_compared_with_its_own() -> None:
    """An L40S beside an H200 is no slow H200; alone of its type it is compared with the catalog."""
    mixed = replace(PLANNED, gpus={**PLANNED.gpus, 1: gpu_types()["l40s-48gb"]})
    seen = with_gpus(gpu(), gpu(products=[product("bfloat16", 200.0)]))
    assert matrix_products.CHECK.ask(mixed, seen).status is OK
    slow = with_gpus(gpu(), gpu(products=[product("bfloat16", 30.0)]))
    row = matrix_products.CHECK.ask(mixed, slow)
    assert row.status is WARN and "by the catalog" in row.evidence


def test_products_that_were_not_made_prove_nothing() -> None:
    row = matrix_products.CHECK.ask(PLANNED, with_gpus(gpu(), gpu(products=[])))
    assert row.status > WARN
    none = gpu(products=[product("bfloat16", 0.0, count=0)])
    assert matrix_products.CHECK.ask(PLANNED, with_gpus(gpu(), none)).status is UNKNOWN


def test_on_cpus_speed_and_heat_are_not_judged_and_wrong_numbers_are() -> None:
    slow = gpu(products=[product("bfloat16", 0.05)])
    seen = {**with_gpus(slow, slow), "heat": {}, "dcgm": {"installed": False}}
    copies = {"host_copies": [{"place": p, "to_gb_per_s": 1, "back_gb_per_s": 1} for p in (0, 1)]}
    seen["copies"] = {"gpu1": copies}
    rows = [check.ask(ON_CPUS, seen) for check in checks_about(PlannedBurnIn)]
    assert {row.status for row in rows} == {OK}, rows
    wrong = gpu(products=[product("bfloat16", 0.05, differ=1)])
    assert matrix_products.CHECK.ask(ON_CPUS, with_gpus(slow, wrong)).status is CRITICAL


def test_memory_that_cpu_and_gpu_share_is_tested_by_half() -> None:
    shared = replace(PLANNED, gpus={0: gpu_types()["gb10-128gb"]})
    memory = {"total_bytes": 120 << 30, "tested_bytes": 50 << 30, "wrong_words": 0, "first": []}
    seen = {**SEEN, "gpus": {"0": gpu(memory=memory)}}
    assert memory_patterns.CHECK.ask(shared, seen).status is OK


def test_heat_of_all_gpus_is_said_and_the_worst_counts() -> None:
    seen = {
        **SEEN,
        "heat": {"0": warmth(90, sw_thermal_slowdown=15), "1": warmth(95, hw_slowdown=3)},
    }
    row = heat.CHECK.ask(PLANNED, seen)
    assert row.status is CRITICAL
    assert "GPU 0: sw thermal slowdown 10 % of the time, up to 90 °C" in row.evidence
    assert "GPU 1: hw slowdown 2 %" in row.evidence


def test_each_gpu_is_compared_with_its_own_slot() -> None:
    slot = gpu_types()["h200-sxm-141gb"].model_copy(update={"pcie_lanes": 8})
    half = [{"place": p, "to_gb_per_s": 26.0, "back_gb_per_s": 25.0} for p in (0, 1)]
    seen = {**SEEN, "copies": {"gpu1": {"host_copies": half}}}
    planned = replace(PLANNED, gpus={0: slot, 1: slot})
    assert host_copies.CHECK.ask(planned, seen).status is OK
    row = host_copies.CHECK.ask(replace(PLANNED, gpus={0: slot, 1: PLANNED.gpus[1]}), seen)
    assert row.status is WARN and row.evidence.startswith("GPU 1: 25.0 GB/s")


def test_a_gpu_that_was_not_copied_to_is_not_proven() -> None:
    one = SEEN["copies"]["gpu1"]["host_copies"][:1]
    row = host_copies.CHECK.ask(PLANNED, {**SEEN, "copies": {"gpu1": {"host_copies": one}}})
    assert row.status is UNKNOWN and "GPU 1 was not measured" in row.evidence
