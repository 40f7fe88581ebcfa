"""Servers as the probe sees them, what is planned of them, and what their checks then say."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from rackwright import catalog
from rackwright.checks import judge
from rackwright.checks.planned import GpuSettings, PlannedServer
from rackwright.checks.results import CheckResult
from rackwright.checks.server import quarantine
from rackwright.checks.server.healthy import pcie_end

Probe = dict[str, Any]
CAPTURE = Path(__file__).parents[1] / "data/h200x1/probe.json"
H200 = catalog.gpu_types()["h200-sxm-141gb"]
LINKS = 18


def link(number: int, peer: str | None = None) -> Probe:
    """An NVLink to a switch, or to the GPU at that address."""
    kind = "gpu" if peer else "switch"
    return {"link": number, "active": True, "remote_type": kind, "remote_pci_bus_id": peer}


def seen(gpus: int = 2) -> Probe:
    """A healthy server: the GPU of a real capture, so often, joined by NVSwitch."""
    probe: Probe = json.loads(CAPTURE.read_text())
    (gpu,) = probe["gpus"]
    # The capture is older than these questions.
    manager = {"LoadState": "loaded", "ActiveState": "active", "SubState": "running"}
    probe |= {"xids": [], "sxids": [], "fabric_manager": manager}
    gpu["pcie"] |= {"card": pcie_end(), "bridge": pcie_end()}
    gpu["performance_state"] = 0
    probe |= {
        "kernels": {"installed": [], "packages": [], "grub_default": ""},
        "library_version": "580.159.04",
    }
    probe["gpus"] = [
        {
            **deepcopy(gpu),
            "index": index,
            "pci_bus_id": f"00000000:0{index}:00.0",
            "nvlinks": [link(number) for number in range(LINKS)],
        }
        for index in range(gpus)
    ]
    return probe


def planned(gpus: int = 2, interconnect: str = "nvswitch", **more: Any) -> PlannedServer:
    islands = (tuple(range(gpus)),) if interconnect != "pcie" else tuple((i,) for i in range(gpus))
    values: dict[str, Any] = {"gpu": H200, "islands": islands, **more}
    values.setdefault("runs_fabric_manager", interconnect == "nvswitch")
    return PlannedServer(host="gpu1", gpus=gpus, interconnect=interconnect, **values)


def declared(gpus: int = 2, **each: Any) -> dict[str, Any]:
    """What changes in a plan where settings are declared of so many GPUs; a tuple is of each."""
    values = [{key: value[n] if isinstance(value, tuple) else value for key, value in each.items()}
              for n in range(gpus)]  # fmt: skip
    return {"gpu_settings": {n: GpuSettings(**value) for n, value in enumerate(values)}}


def results(probe: Probe | None, server: PlannedServer | None = None) -> dict[str, CheckResult]:
    observed = {} if probe is None else {"probe": probe}
    found = judge([server or planned()], {"gpu1": {"replicas": {}, **observed}})
    assert all((result.host, result.subject) == ("gpu1", "gpu1") for result in found)
    of_the_probe = (result for result in found if result.check != quarantine.CHECK.name)
    return {result.check: result for result in of_the_probe}


def lost(probe: Probe) -> None:
    probe["gpus"][0] = None
    probe["unavailable"]["gpus[0]"] = "NVMLError_GpuIsLost: GPU is lost"


def pairs(count: int = 4) -> dict[str, Any]:
    """Two pairs of GPUs, each pair joined by its own NVLinks and on its own NUMA node."""
    probe = seen(count)
    addresses = [gpu["pci_bus_id"] for gpu in probe["gpus"]]
    for index, gpu in enumerate(probe["gpus"]):
        gpu |= {"name": "NVIDIA H100 NVL", "numa_node": index // 2}
        gpu["nvlinks"] = [link(n, addresses[index ^ 1]) for n in range(LINKS)]
    return probe
