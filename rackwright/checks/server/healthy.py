"""A server on which all is well: two H200 at an NVSwitch, with a replica over both.

Of the GPUs what a capture of a real one has (``tests/data/h200x1``), as far as it is judged.
"""

from __future__ import annotations

from typing import Any

from rackwright.catalog import gpu_types
from rackwright.checks.check import Sample
from rackwright.checks.planned import PlannedServer, Tenant

UNIT = "rackwright-chat-gpu1-0.service"
PLANNED_BYTES = 120 << 30
VLLM: dict[str, Any] = {
    "pid": 7,
    "used_bytes": PLANNED_BYTES,
    "command": "vllm",
    "cgroups": [f"/system.slice/{UNIT}"],
}
"""The process of the replica on a GPU."""
STRANGER: dict[str, Any] = {
    "pid": 8,
    "used_bytes": 5 << 30,
    "command": "train.py",
    "cgroups": ["/user.slice"],
}
_TOTAL_BYTES = 150754820096


def h200(index: int) -> dict[str, Any]:
    """One of the GPUs."""
    return {
        "index": index,
        "name": "NVIDIA H200",
        "pci_bus_id": f"00000000:0{index}:00.0",
        "memory": {"total_bytes": _TOTAL_BYTES, "free_bytes": _TOTAL_BYTES - PLANNED_BYTES},
        "pcie": {
            "generation": 5,
            "width": 16,
            "max_generation": 5,
            "max_width": 16,
            "gpu_max_generation": 5,
        },
        "fabric": {"state": "completed", "status": 0, "health_mask": 0},
        "ecc_mode": {"current": True, "pending": True},
        "ecc_errors": {"uncorrected": {"volatile": 0}},
        "remapped_rows": {"pending": False, "failure": False},
        "throttle_reasons": ["gpu_idle"],
        "persistence_mode": True,
        "mig_mode": {"current": False, "pending": False},
        "temperature_c": 40,
        "processes": [VLLM],
        "nvlinks": [link(number) for number in range(18)],
    }


def link(number: int, peer: str | None = None, *, active: bool = True) -> dict[str, Any]:
    """An NVLink to a switch, or to the GPU at that address."""
    kind = "gpu" if peer else "switch"
    return {"link": number, "active": active, "remote_type": kind, "remote_pci_bus_id": peer}


SERVER = Sample(
    PlannedServer(
        host="gpu1",
        gpu=gpu_types()["h200-sxm-141gb"],
        gpus=2,
        interconnect="nvswitch",
        islands=((0, 1),),
        tenants=(Tenant(0, UNIT, PLANNED_BYTES), Tenant(1, UNIT, PLANNED_BYTES)),
        driver_version="580",
        runs_fabric_manager=True,
    ),
    {
        "nvml": {"driver_version": "580.159.04", "cuda_version": "13.0"},
        "os": {"nvidia_module_version": "580.159.04"},
        "xids": [],
        "gpus": [h200(0), h200(1)],
        "unavailable": {},
    },
)
