"""Healthy servers of 1, 2, 4 and 8 GPUs and every fault of them: stand-in, real probe, checks."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest

from lab.nvml import compose
from rackwright.catalog import gpu_types
from rackwright.checks import checks_about, judge
from rackwright.checks.planned import PlannedServer, Tenant
from rackwright.checks.results import CheckResult, Status
from rackwright.inventory.entry import discovered
from rackwright.planning.topology import islands
from rackwright.remote import probe
from rackwright.spec import ServerSpec
from tests.samples.gpu_faults import FAULTS, Fault

Observe = Callable[[str], dict[str, Any]]
UNIT = "rackwright-chat-gpu1-0.service"
H200, A100, L40S = "h200-sxm-141gb", "a100-pcie-80gb", "l40s-48gb"
HALVES = [[0, 1], [2, 3]], [[0, 1, 2, 3], [4, 5, 6, 7]]
DECLARED: dict[str, dict[str, Any]] = {
    "h200x1": {"gpus": (H200, 1), "interconnect": "none"},
    "h200x2": {"gpus": (H200, 2), "interconnect": "nvswitch", "fabric_manager": "host"},
    "h200x4": {"gpus": (H200, 4), "interconnect": "nvswitch"},
    "h200x8": {"gpus": (H200, 8), "interconnect": "nvswitch", "numa_nodes": HALVES[1]},
    "a100x2": {"gpus": (A100, 2), "interconnect": "nvlink", "nvlink_islands": [[0, 1]]},
    "a100x4": {
        "gpus": (A100, 4),
        "interconnect": "nvlink",
        "nvlink_islands": [[0, 1], [2, 3]],
        "numa_nodes": HALVES[0],
    },
    "a100x8": {
        "gpus": (A100, 8),
        "interconnect": "nvlink",
        "nvlink_islands": [[0, 1], [2, 3], [4, 5], [6, 7]],
        "numa_nodes": HALVES[1],
    },
    "l40sx1": {"gpus": (L40S, 1), "interconnect": "none"},
    "l40sx2": {"gpus": (L40S, 2), "interconnect": "pcie", "numa_nodes": [[0], [1]]},
    "l40sx4": {"gpus": (L40S, 4), "interconnect": "pcie", "numa_nodes": HALVES[0]},
    "l40sx8": {"gpus": (L40S, 8), "interconnect": "pcie", "numa_nodes": HALVES[1]},
}
"""What ``rackwright discover`` is to say of each profile."""
CANNOT_HAVE = {
    "h200x1": {"a missing GPU", "a link down", "every link of a GPU down"},
    "l40sx1": {"a missing GPU"},
    H200: set(),
    A100: {"a fabric in progress", "a fabric that failed"},
    L40S: {
        "a fabric in progress",
        "a fabric that failed",
        "a link down",
        "every link of a GPU down",
        "MIG left on",
    },
}
"""Faults of what a card, or a server of one GPU, does not have."""


@pytest.fixture(autouse=True)
def without_xids(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel log of this machine is not asked."""
    monkeypatch.setattr(probe, "kernel_log", lambda: [])


def server(name: str) -> dict[str, Any]:
    kind, count = DECLARED[name]["gpus"]
    return DECLARED[name] | {"address": "gpu1", "gpus": {"type": kind, "count": count}}


def planned(name: str) -> PlannedServer:
    """The server as its profile is declared, with a replica of the CPU engine on every GPU."""
    spec = ServerSpec(name="gpu1", **server(name))
    gpu, count = gpu_types()[spec.gpus.type], spec.gpus.count
    return PlannedServer(
        host="gpu1",
        gpu=gpu,
        gpus=count,
        interconnect=spec.interconnect,
        islands=islands(spec, gpu),
        tenants=tuple(Tenant(index, UNIT) for index in range(count)),
        engines_use_gpus=False,
    )


def judged(name: str, seen: dict[str, Any]) -> list[CheckResult]:
    answer = {"replicas": {}, "probe": seen, "quarantine": {"there": False}}
    return judge([planned(name)], {"gpu1": answer})


def test_every_profile_is_tried() -> None:
    assert sorted(DECLARED) == compose.names()
    counts = {gpus for _, gpus in (each["gpus"] for each in DECLARED.values())}
    assert counts == {1, 2, 4, 8}


@pytest.mark.parametrize("name", DECLARED)
def test_a_healthy_server_gives_no_alarm(name: str, observe: Observe) -> None:
    found = judged(name, observe(compose.profile(name)))
    assert {each.check: each.evidence for each in found if each.status is not Status.OK} == {}
    assert len(found) == len(checks_about(PlannedServer))


@pytest.mark.parametrize("name", DECLARED)
def test_discover_declares_it(name: str, observe: Observe, monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch of an eight-GPU board is on its bus; the captured host is a guest."""
    monkeypatch.setattr(probe, "switches", lambda: [] if name == "h200x2" else ["0000:07:00.0"])
    text = discovered("gpu1", observe(compose.profile(name))).text()
    entry = "".join(line for line in text.splitlines() if not line.startswith("#"))
    _, data = ast.literal_eval(entry.strip().rstrip(","))
    assert data["server"] == server(name)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", DECLARED)
def test_a_fault_is_found_by_exactly_the_right_check(
    name: str, fault: str, observe: Observe
) -> None:
    whole, wrong = compose.profile(name), FAULTS[fault]
    broken = wrong.break_(whole)
    kind, _ = DECLARED[name]["gpus"]
    if fault in CANNOT_HAVE[kind]:
        assert broken == whole
        return
    if fault not in CANNOT_HAVE.get(name, ()):
        check(name, observe(broken), wrong)


def check(name: str, seen: dict[str, Any], fault: Fault) -> None:
    found = [each for each in judged(name, seen) if each.status is not Status.OK]
    assert [(each.check, str(each.status)) for each in found] == [(fault.check, fault.status)]
    assert found[0].evidence and found[0].remedy
