"""GPU types of an inventory's own: the catalog's schema, known wherever a type is asked for.

And what NVML does not tell of memory that CPU and GPU share.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from pprint import pformat
from subprocess import CompletedProcess, run
from typing import Any

import pytest
from click.testing import CliRunner

import rackwright
from rackwright import catalog
from rackwright.checks.results import Status
from rackwright.commands import discover as discovering
from rackwright.commands.discover import discover
from rackwright.errors import SpecError
from rackwright.inventory.entry import discovered
from rackwright.inventory.reading import load_fleet, load_gpu_types
from rackwright.planning.placing import plan
from rackwright.report import plan_text
from rackwright.report.drawing import drawing
from tests.samples.fleet import hosts, server, service
from tests.samples.probes import planned, results, seen

OWN: dict[str, Any] = {
    "name": "NVIDIA Workbench X1",
    "aliases": ["x1"],
    "memory_mib": 49140,
    "memory_bandwidth_gb_per_s": 1008,
    "compute_capability": [8, 9],
    "dense_tflops": {"bf16": 165.2, "fp8": 330.3, "int8": 660.6},
    "pcie_generation": 4,
    "pcie_lanes": 16,
    "pcie_peer_access": False,
    "interconnects": ["none", "pcie"],
}
NVLINK = {"generation": 4, "links": 18, "island": 4, "bandwidth_gb_per_s": 900}
NEEDED = set(OWN) - {"aliases"}


def own(count: int = 2, **more: Any) -> dict[str, dict[str, Any]]:
    box = server(11, "x1-48gb", count, "pcie" if count > 1 else "none")
    asked = service("qwen3-8b", max_model_len=4096)
    return hosts({"gpu1": box}, {"chat": asked}, gpu_types={"x1-48gb": OWN | more})


def faults(entry: object, name: str = "x1-48gb") -> list[str]:
    data = hosts({"gpu1": server(11, name, 2, "pcie")}, gpu_types={name: entry})
    with pytest.raises(SpecError) as caught:
        load_fleet(data)
    return [str(fault) for fault in caught.value.faults]


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in OWN.items() if name != key}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An inventory that has the type, and no more than discovering and sizing need."""
    path = tmp_path / "own.py"
    host = ("@rackwright/gpu1", {"server": server(11, "x1-48gb", 2, "pcie")})
    path.write_text(f"all = {pformat(([host], {'gpu_types': {'x1-48gb': OWN}}))}\n")
    return path


# --- wherever a type is asked for --------------------------------------------------------------


def test_it_is_planned_like_one_of_the_catalog() -> None:
    found = plan(load_fleet(own()))
    assert found.replicas[0].gpu.key == "x1-48gb"
    assert "2 x NVIDIA Workbench X1, pcie" in plan_text(found)
    memory = found.replicas[0].memory
    assert memory.total_bytes == 49140 * 1024**2 - catalog.CUDA_RESERVED_BYTES


def test_it_is_verified_by_its_own_name_and_memory() -> None:
    gpu = load_fleet(own()).gpu_types["x1-48gb"]
    probe = seen()
    for each in probe["gpus"]:
        each["name"] = "NVIDIA Workbench X1"
        each["memory"] = {"total_bytes": 49140 << 20, "free_bytes": 1 << 30, "used_bytes": 0}
    assert results(probe, planned(gpu=gpu))["GPUs"].status is Status.OK
    probe["gpus"][1]["name"] = "NVIDIA L40S"
    assert "GPU 1 is NVIDIA L40S" in results(probe, planned(gpu=gpu))["GPUs"].evidence


def in_a_process(*words: str) -> CompletedProcess[str]:
    """A process of its own: pyinfra's command line changes Python's threads as it is loaded."""
    command = [sys.executable, "-m", "rackwright", *words]
    return run(command, capture_output=True, text=True, check=False)


def test_it_is_sized_where_its_inventory_is_named(file: Path) -> None:
    words = ["size", "qwen3-8b", "--gpu", "x1", "--json"]
    found = in_a_process(*words, "--inventory", str(file))
    assert json.loads(found.stdout)["chosen"]["gpu"] == "x1-48gb"
    assert in_a_process(*words).returncode == 65


def test_a_fault_of_it_is_said_there_too(file: Path) -> None:
    file.write_text(file.read_text().replace("49140", "'49140'"))
    found = in_a_process("size", "qwen3-8b", "--inventory", str(file))
    assert found.returncode == 65
    assert "gpu_types[x1-48gb].memory_mib: must be a whole number (got '49140')" in found.stderr
    assert "Traceback" not in found.stderr


def test_it_is_discovered_where_its_inventory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    probe = seen(1)
    probe["gpus"][0] |= {"name": "NVIDIA Workbench X1", "nvlinks": []}
    types = load_gpu_types({"gpu1": {"gpu_types": {"x1-48gb": OWN}}})
    monkeypatch.setattr(discovering, "look_at", lambda hosts, **ssh: {"a1": probe})
    monkeypatch.setattr(discovering, "_known", lambda inventory: types if inventory else None)
    known = CliRunner().invoke(discover, ["a1", "--inventory", __file__])
    assert "'gpus': {'type': 'x1-48gb', 'count': 1}" in known.stdout
    unknown = CliRunner().invoke(discover, ["a1"])
    assert unknown.exit_code == 67
    assert "declare it in an inventory's `gpu_types`" in unknown.stdout


def test_a_matrix_is_compared_with_what_is_declared_of_it(tmp_path: Path) -> None:
    path, matrix = tmp_path / "own.py", tmp_path / "topo.txt"
    entries = own()
    shared = {"services": entries["gpu1"]["services"], "gpu_types": {"x1-48gb": OWN}}
    gpus = [("@rackwright/gpu1", {"server": entries["gpu1"]["server"]})]
    gateway = [("@rackwright/gw1", {"gateway": entries["gw1"]["gateway"]})]
    path.write_text(f"all = {pformat((gpus + gateway, shared))}\n")
    matrix.write_text("\tGPU0\tGPU1\tCPU Affinity\nGPU0\t X \tPHB\t0-7\nGPU1\tPHB\t X \t0-7\n")
    words = ["--gpu", "x1", "--inventory", str(path), "--server", "gpu1"]
    found = in_a_process("topo", str(matrix), *words)
    assert found.returncode == 0, found.stderr
    assert "'type': 'x1-48gb'" in found.stdout
    assert "as gpu1 is declared" in found.stdout


ASKS_THE_CATALOG = {
    "inventory/declarations.py": "puts the inventory's own beside it",
    "inventory/entry.py": "where no inventory is named",
    "models/finding.py": "where no inventory is named",
    "checks/server/healthy.py": "a sample",
    "checks/replica/bandwidth.py": "a sample",
}


def test_nobody_else_asks_the_catalog_alone() -> None:
    """Whoever judges a fleet asks its spec or its plan: they have the inventory's own types too."""
    package = Path(rackwright.__file__).parent
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if re.search(r"\b(gpu_types|find_gpu)\(", path.read_text())
        and path.parent.name != "catalog"
    }
    assert found <= set(ASKS_THE_CATALOG), (
        f"{sorted(found - set(ASKS_THE_CATALOG))}: ask fleet.gpu_of(server), replica.gpu or "
        "plan.gpus, or say here why the catalog is enough"
    )


# --- faults ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", sorted(NEEDED))
def test_what_the_catalog_needs_is_needed(key: str) -> None:
    assert faults(without(key)) == [f"gpu_types[x1-48gb].{key}: is required"]


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"memory_gib": 48}, "memory_gib: is not a known key, did you mean 'memory_mib'?"),
        ({"memory_mib": "49140"}, "memory_mib: must be a whole number (got '49140')"),
        ({"memory_mib": True}, "memory_mib: must be a whole number (got True)"),
        ({"memory_mib": 48}, "memory_mib: must be 1024 to 4194304 (got 48)"),
        ({"memory_bandwidth_gb_per_s": 0}, "memory_bandwidth_gb_per_s: must be 10 to 100000"),
        ({"compute_capability": 8.9}, "compute_capability: must be two whole numbers such as"),
        ({"compute_capability": [8]}, "compute_capability: must be two whole numbers such as"),
        ({"dense_tflops": 165}, "dense_tflops: must be a dict of formats"),
        (
            {"dense_tflops": {"bf16": 165, "fp6": 330}},
            "dense_tflops: must have only bf16, fp16, fp8, int8, fp4 as keys, not 'fp6'",
        ),
        ({"dense_tflops": {"bf16": -1}}, "dense_tflops.bf16: must be more than 0 and at"),
        ({"dense_tflops": {"int8": 600}}, "dense_tflops: must have bf16, as compute capability"),
        (
            {"dense_tflops": {"bf16": 165, "fp8": 660}},
            "dense_tflops.fp8: must be twice that of bf16: dense, without sparsity",
        ),
        (
            {"compute_capability": [8, 6]},
            "dense_tflops: must not have fp8, there is none before compute capability 8.9",
        ),
        (
            {"compute_capability": [7, 5], "dense_tflops": {"int8": 130}},
            "dense_tflops: must have fp16, as compute capability 7.5 has",
        ),
        ({"pcie_generation": 7}, "pcie_generation: must be 3 to 6 (got 7)"),
        ({"memory_bandwidth_gb_per_s": float("nan")}, "memory_bandwidth_gb_per_s: must be 10 to"),
        ({"memory_bandwidth_gb_per_s": "1008"}, "memory_bandwidth_gb_per_s: must be a number"),
        ({"dense_tflops": {"bf16": float("inf")}}, "dense_tflops.bf16: must be more than 0 and at"),
        ({"dense_tflops": {"bf16": True}}, "dense_tflops.bf16: must be a number (got True)"),
        ({"compute_capability": [True, False]}, "compute_capability: must be two whole numbers"),
        ({"compute_capability": [3, 5]}, "compute_capability: must be two whole numbers such as"),
        ({"compute_capability": [8, 90]}, "compute_capability: must be two whole numbers such as"),
        ({"pcie_lanes": True}, "pcie_lanes: must be a whole number (got True)"),
        ({"aliases": [""]}, "aliases[0]: must be lower case letters, digits"),
        ({"aliases": ["x\n1"]}, "aliases[0]: must be lower case letters, digits"),
        ({"aliases": "x1"}, "aliases: must be a list (got 'x1')"),
        ({"name": "NVIDIA"}, "name: must say which GPU it is"),
        ({"max_power_w": 0}, "max_power_w: must be at least 1 (got 0)"),
        ({"inline_ecc": "on"}, "inline_ecc: must be True or False (got 'on')"),
        ({"unified_memory": 1}, "unified_memory: must be True or False (got 1)"),
        ({"sources": "a page"}, "sources: must be a dict (got 'a page')"),
        ({"pcie_lanes": 12}, "pcie_lanes: must be one of 1, 2, 4, 8, 16 (got 12)"),
        ({"pcie_peer_access": "yes"}, "pcie_peer_access: must be True or False (got 'yes')"),
        ({"interconnects": "pcie"}, "interconnects: must be a list (got 'pcie')"),
        ({"interconnects": ["pcie"]}, "interconnects: must have none, which is one GPU alone"),
        ({"interconnects": ["none", "pci"]}, "interconnects[1]: must be"),
        ({"interconnects": ["none", "pcie", "nvlink"]}, "nvlink: is required beside nvlink"),
        ({"nvlink": NVLINK}, "interconnects: must have nvlink or nvswitch beside nvlink"),
        (
            {"nvlink": NVLINK | {"links": 2}, "interconnects": ["none", "pcie", "nvlink"]},
            "nvlink.bandwidth_gb_per_s: must be 50 to 100, which 2 links carry",
        ),
        (
            {"nvlink": NVLINK | {"island": 1}, "interconnects": ["none", "pcie", "nvlink"]},
            "nvlink.island: must be the GPUs that NVLink joins",
        ),
        ({"nvlink": NVLINK | {"generation": 9}}, "nvlink.generation: must be 2 to 5 (got 9)"),
        ({"name": "X1\nevil"}, "name: must be the name that NVML gives it"),
        ({"name": "NVIDIA L40S"}, "name: is a name of l40s-48gb already"),
        ({"aliases": ["h200"]}, "aliases: is a name of h200-sxm-141gb already"),
        ({"key": "x1"}, "key: is the entry's own name, leave it out (got 'x1')"),
    ],
    ids=str,
)
def test_a_fault_says_where_and_what_is_right(more: dict[str, Any], fault: str) -> None:
    (found,) = faults(OWN | more)
    assert found.startswith(f"gpu_types[x1-48gb].{fault}")


@pytest.mark.parametrize("entry", [None, 48, "x1", [OWN]])
def test_an_entry_that_is_no_dict_is_a_fault(entry: object) -> None:
    (found,) = faults(entry)
    assert found.startswith("gpu_types[x1-48gb]: must be a dict")


def test_a_key_of_the_catalog_is_refused() -> None:
    found = faults(OWN, "l40s-48gb")
    assert found == [
        "gpu_types[l40s-48gb]: is in the catalog already, choose another name",
    ]


@pytest.mark.parametrize("name", ["X1", "x1 48", "../x1", ""])
def test_a_key_that_is_no_name_is_refused(name: str) -> None:
    found = faults(OWN, name)
    assert any(f"gpu_types[{name}].key: must be named with lower case" in each for each in found)


def test_two_types_of_one_name_are_told_apart_by_memory_or_refused() -> None:
    other = OWN | {"aliases": [], "memory_mib": 24564}
    both = {"x1-48gb": OWN, "x1-24gb": other}
    types = load_gpu_types({"gpu1": {"gpu_types": both}})
    small, large = 24564 << 20, 49140 << 20
    for size_bytes, key in ((small, "x1-24gb"), (large, "x1-48gb")):
        found = catalog.find_gpu("NVIDIA Workbench X1", size_bytes, types)
        assert found and found.key == key
    with pytest.raises(SpecError, match="is a name of x1-48gb already"):
        load_gpu_types({"gpu1": {"gpu_types": {**both, "x1-24gb": OWN | {"aliases": []}}}})


def test_a_card_of_the_catalog_with_more_memory_is_one_of_ones_own() -> None:
    bigger = OWN | {"name": "NVIDIA GeForce RTX 4090", "aliases": []}
    types = load_gpu_types({"gpu1": {"gpu_types": {"rtx-4090-48gb": bigger}}})
    probe = seen(1)
    probe["gpus"][0] |= {"name": "NVIDIA GeForce RTX 4090", "nvlinks": []}
    for mib, key in ((49140, "rtx-4090-48gb"), (24564, "rtx-4090-24gb")):
        probe["gpus"][0]["memory"]["total_bytes"] = mib << 20
        found = discovered("a1", probe, types).server
        assert found and found["gpus"]["type"] == key


def test_an_unknown_type_says_where_to_declare_it() -> None:
    with pytest.raises(SpecError) as caught:
        load_fleet(hosts({"gpu1": server(11, "zx-80", 2, "pcie")}))
    (fault,) = map(str, caught.value.faults)
    assert fault == (
        "servers[gpu1].gpus.type: is not a known GPU type: declare it in `gpu_types` "
        "(docs/inventory.md) (got 'zx-80')"
    )


# --- memory that CPU and GPU share -------------------------------------------------------------

GB10 = catalog.gpu_types()["gb10-128gb"]


def spark() -> dict[str, Any]:
    """What a GB10 tells, by those who have one: no memory, and the system's."""
    probe = seen(1)
    probe["gpus"][0] |= {"name": "NVIDIA GB10", "memory": None, "nvlinks": []}
    probe["unavailable"]["gpus[0].memory"] = "NVMLError_NotSupported: Not Supported"
    probe["os"] |= {"architecture": "aarch64", "memory_total_bytes": 127600748 * 1024}
    return probe


def test_shared_memory_is_discovered_and_verified_by_the_system_s() -> None:
    probe = spark()
    found = discovered("spark1", probe).server
    assert found and found["gpus"] == {"type": "gb10-128gb", "count": 1}
    declared = planned(1, "none", gpu=GB10, islands=((0,),))
    assert results(probe, declared)["GPUs"].status is Status.OK
    probe["os"]["memory_total_bytes"] = 64 << 30
    judged = results(probe, declared)["GPUs"]
    assert (judged.status, judged.evidence) == (
        Status.CRITICAL,
        "GPU 0 has 65536 MiB, 124610 expected",
    )


def test_no_check_fails_on_memory_that_is_not_told() -> None:
    found = results(spark(), planned(1, "none", gpu=GB10, islands=((0,),), tenants=()))
    assert found["GPU memory"].status is Status.OK
    assert drawing(spark(), 1, False, [], "NVIDIA GB10")


def test_shared_memory_keeps_a_reserve_and_the_plan_says_so() -> None:
    box = server(11, "gb10-128gb", 1, "none")
    asked = service("qwen3-8b", max_model_len=4096)
    found = plan(load_fleet(hosts({"gpu1": box}, {"chat": asked})))
    (replica,) = found.replicas
    assert replica.limits.gpu_memory_utilization == 0.83
    left = replica.memory.total_bytes * (1 - 0.83)
    assert catalog.UNIFIED_RESERVE_BYTES <= left < catalog.UNIFIED_RESERVE_BYTES + (2 << 30)
    text = " ".join(plan_text(found).split())
    assert "shares its memory with the CPU: the engine takes 83% of it, 21 GiB stay" in text
    embeds = {"embed": service("bge-m3")}
    assert "shares its memory" not in plan_text(plan(load_fleet(hosts({"gpu1": box}, embeds))))
    asked["gpu_memory_utilization"] = 0.7
    (replica,) = plan(load_fleet(hosts({"gpu1": box}, {"chat": asked}))).replicas
    assert replica.limits.gpu_memory_utilization == 0.7


def test_a_gpu_that_comes_alone_is_said_to() -> None:
    with pytest.raises(SpecError, match="NVIDIA GB10 comes one to a server"):
        load_fleet(hosts({"gpu1": server(11, "gb10-128gb", 2, "pcie")}))
