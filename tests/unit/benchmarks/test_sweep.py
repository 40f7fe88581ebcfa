"""Which layouts start together, the inventories that deploy them, and the rows that come of it."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from benchmarks.planner import rows as planner_rows
from benchmarks.sweep import machine
from benchmarks.sweep.layouts import (
    HOST_DATA,
    LAYOUTS,
    Layout,
    batches,
    inventory_text,
    services,
)
from benchmarks.sweep.rows import Results, account, layout_row, table
from rackwright.inventory.reading import load_fleet
from rackwright.inventory.settings import with_defaults
from rackwright.planning.placing import plan
from rackwright.report import plan_document

SERVER = {
    "address": "127.0.0.1",
    "gpus": {"type": "h100-sxm-80gb", "count": 4},
    "interconnect": "nvswitch",
}


def loaded(text: str, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Host data as pyinfra would merge it."""
    path = tmp_path / "inventory.py"
    path.write_text(text)
    hosts, shared = runpy.run_path(str(path))["all"]
    return {name: with_defaults({**shared, **data}) for name, data in hosts}


def planned(batch: list[Layout], tmp_path: Path) -> list[dict[str, Any]]:
    text = inventory_text(services(batch), SERVER, HOST_DATA)
    fleet = plan(load_fleet(loaded(text, tmp_path)))
    return list(json.loads(json.dumps(plan_document(fleet)))["replicas"])


def told(pattern: str, name: str) -> int:
    """The number that a layout's name bears; 1 where it bears none."""
    match = re.search(pattern, name)
    return int(match[1]) if match else 1


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_planned_as_it_is_named(name: str, tmp_path: Path) -> None:
    layout = LAYOUTS[name]
    replicas = planned([layout], tmp_path)
    assert sum(len(one["gpus"]) for one in replicas) == layout.gpus
    first = replicas[0]
    assert first["served_model_name"] == name
    assert ("-ep" in name) == first["expert_parallel"]
    assert first["pipeline_parallel_size"] == told(r"-pp(\d)", name)
    assert first["tensor_parallel_size"] == told(r"-[te]p(\d)", name)
    assert ("two-replicas" in name) == (len(replicas) == 2)
    assert name.startswith("sglang") == (first["engine"] == "sglang")


def test_multicast_stays_off_and_the_machine_as_it_is() -> None:
    assert HOST_DATA["engine_environment"].items() >= {
        ("NCCL_NVLS_ENABLE", "0"),
        ("TORCH_SYMM_MEM_DISABLE_MULTICAST", "1"),
        ("NVSHMEM_DISABLE_NVLS", "1"),
        ("VLLM_ALLREDUCE_USE_SYMM_MEM", "0"),
    }
    assert (HOST_DATA["driver_source"], HOST_DATA["reboot"]) == ("none", "never")


def test_layouts_of_one_gpu_start_beside_one_another() -> None:
    chosen = [LAYOUTS[n] for n in ("sglang-8b-tp1", "8b-tp1", "8b-tp2", "8b-fp8-tp1", "8b-pp2")]
    names = [[layout.name for layout in batch] for batch in batches(chosen, 2)]
    assert names == [["8b-tp1", "8b-fp8-tp1"], ["8b-tp2"], ["8b-pp2"], ["sglang-8b-tp1"]]
    assert [len(batch) for batch in batches(chosen[:2], 1)] == [1, 1]


def test_a_batch_is_planned_on_gpus_of_their_own(tmp_path: Path) -> None:
    replicas = planned([LAYOUTS["8b-tp1"], LAYOUTS["gpt-oss-20b-tp1"]], tmp_path)
    assert [(one["service"], one["gpus"]) for one in replicas] == [("bench0", [0]), ("bench1", [1])]
    assert len({one["port"] for one in replicas}) == 2


LOG = "INFO Model loading took 14.96 GiB memory\nINFO GPU KV cache size: 447,728 tokens\n"
LOAD = [{"concurrency": 64, "out_tok_s": 4200.5, "ttft_ms": 300.1, "tpot_ms": 10.91}]


@pytest.fixture
def row(tmp_path: Path) -> dict[str, Any]:
    found = layout_row("8b-two-replicas", planned([LAYOUTS["8b-two-replicas"]], tmp_path))
    return found | account("vllm", LOG, "") | {"release": "0.32.0-ab", "load": LOAD, "ready_s": 61}


def test_a_row_is_one_that_the_planner_can_be_compared_with(
    row: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "h100x2"
    folder.mkdir()
    config = planned([LAYOUTS["8b-tp1"]], tmp_path)[0]["model"]["config"]
    Results(folder, "2 x H100").add("runs", row, {row["model"]: config})
    monkeypatch.setattr(planner_rows, "DATA", tmp_path)
    planner_rows.measured_rows.cache_clear()
    (read,) = planner_rows.measured_rows()
    planner_rows.measured_rows.cache_clear()
    assert read.name == "llama-3.1-8b-instruct TP 1 2 replicas"
    assert (row["weights_gib"], row["kv_cache_tokens"]) == (14.96, 447728)
    assert row["planned"]["kv_cache_tokens"] > 400_000


def test_the_file_is_whole_after_every_row(row: dict[str, Any], tmp_path: Path) -> None:
    results = Results(tmp_path, "2 x H100, driver 580")
    results.add("failed", {"name": "8b-tp2", "error": ["RuntimeError: nvcc"]})
    results.add("runs", row, {})
    results.add("not_run", "8b-pp2")
    document = json.loads((tmp_path / "measured.json").read_text())
    assert document["engine"] == "vllm 0.32.0-ab, random weights"
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".new"] == []
    words = table(document)
    for said in ("447,728", "64: 300.1, 10.91, 4200.5", "RuntimeError: nvcc", "8b-pp2 | not run"):
        assert said in words


@pytest.mark.parametrize(
    ("active", "restarts", "expected"),
    [
        ("active", "0", "active"),
        ("active", "3", "active"),
        ("activating", "0", "starting"),
        ("activating", "1", "failed"),
        ("failed", "0", "failed"),
        ("inactive", "0", "failed"),
    ],
)
def test_a_unit_that_was_started_again_has_failed(
    active: str, restarts: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = f"ActiveState={active}\nNRestarts={restarts}\n"
    monkeypatch.setattr(machine, "output", lambda *_: said)
    assert machine.state("a.service") == expected
    until = 0.0  # no time: what is still starting is not waited for
    assert machine.settled(["a.service"], until) == {"a.service": expected == "active"}


def test_the_time_to_serve_is_systemds(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "ExecMainStartTimestampMonotonic=1000000\nActiveEnterTimestampMonotonic=62400000\n"
    monkeypatch.setattr(machine, "output", lambda *_: said)
    assert machine.ready_s("a.service") == 61.4
    monkeypatch.setattr(machine, "output", lambda *_: "")
    assert machine.ready_s("a.service") is None


def test_a_deploy_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "pyinfra"
    program.write_text("#!/bin/sh\necho hello; [ $3 = -y ] && exec sleep $(basename $1)\n")
    program.chmod(0o755)
    monkeypatch.setattr(machine, "BIN", tmp_path)
    log = tmp_path / "log"
    assert machine.deploy(Path("0"), "replicas", log, 20) == ""
    assert "not done within 1 s" in machine.deploy(Path("60"), "replicas", log, 1)
    assert "exit code 1" in machine.deploy(Path("nonsense"), "replicas", log, 20)
    assert log.read_text().startswith("hello")
