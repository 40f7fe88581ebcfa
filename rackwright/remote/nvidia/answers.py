"""How NVML's answers are put into the shape that the probe tells (``remote/probe.py``)."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rackwright.remote.host.pci import DEVICES, redirecting_bridges
from rackwright.remote.host.pci_link import bridge_end, card_end
from rackwright.remote.host.processes import described

FABRIC_STATES = dict(enumerate(("not_supported", "not_started", "in_progress", "completed")))
THROTTLE_REASONS = (
    "gpu_idle",
    "applications_clocks_setting",
    "sw_power_cap",
    "hw_slowdown",
    "sync_boost",
    "sw_thermal_slowdown",
    "hw_thermal_slowdown",
    "hw_power_brake_slowdown",
    "display_clock_setting",
    "board_limit",
    "reliability",
)
"""The bits of nvmlClocksEventReasons, lowest first."""
FIELD_NVLINK_SPEED, FIELD_RECOVERY_ACTION = 164, 230
RECOVERY_ACTIONS = dict(
    enumerate(
        (
            "none",
            "gpu_reset",
            "node_reboot",
            "drain_p2p",
            "drain_and_reset",
            "recover_imex_domain",
            "bus_reset",
            "system_reboot",
        )
    )
)
"""nvmlDeviceGpuRecoveryAction_t."""


def named(names: dict[int, str]) -> Callable[[int], str]:
    """What a code is called; one that is not known is given as text."""
    return lambda code: names.get(code, f"unknown ({code})")


def watts(milliwatts: int) -> float:
    """From NVML's milliwatts."""
    return milliwatts / 1000


def modes(pair: list[int]) -> dict[str, bool]:
    """A pair of modes: as it is, and as it will be."""
    return {"current": bool(pair[0]), "pending": bool(pair[1])}


def memory(info: Any) -> dict[str, Any]:
    """Sizes; ``reserved`` is null from drivers before 510, which count it as used."""
    return {
        "total_bytes": info.total,
        "reserved_bytes": getattr(info, "reserved", None),
        "used_bytes": info.used,
        "free_bytes": info.free,
    }


def rows(rows: tuple[int, int, int, int]) -> dict[str, Any]:
    """Counts of remapped rows, and what is to come of them."""
    correctable, uncorrectable, pending, failure = rows
    return {
        "correctable": correctable,
        "uncorrectable": uncorrectable,
        "pending": bool(pending),
        "failure": bool(failure),
    }


def reasons(bits: int) -> list[str]:
    """The names of the bits that are set."""
    high = range(len(THROTTLE_REASONS), 64)
    return [name for bit, name in enumerate(THROTTLE_REASONS) if bits >> bit & 1] + [
        f"unknown (bit {bit})" for bit in high if bits >> bit & 1
    ]


def _bits(words: Any) -> list[int]:
    return [64 * i + bit for i, word in enumerate(words) for bit in range(64) if word >> bit & 1]


def cpu_list(words: Any) -> str:
    """A mask of CPUs as Linux writes it: ``0-31,64-95``."""
    runs: list[list[int]] = []
    for cpu in _bits(words):
        if runs and cpu == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], cpu]
        else:
            runs.append([cpu])
    return ",".join("-".join(map(str, run)) for run in runs)


def nearest_node(words: Any) -> int:
    """The one node of a mask. Raises ValueError for none and for several."""
    nodes = _bits(words)
    if len(nodes) != 1:
        raise ValueError(f"NVML names {len(nodes)} nodes")
    return nodes[0]


def _device(nvml: Any, handle: Any) -> Path:
    address = str(nvml.nvmlDeviceGetPciInfo(handle).busId).lower()[-12:]
    return DEVICES / address


def sysfs_node(nvml: Any, handle: Any) -> int:
    """The node that the firmware names. Raises ValueError where it does not."""
    node = int((_device(nvml, handle) / "numa_node").read_text())
    if node < 0:
        raise ValueError("the firmware does not tell (sysfs says -1)")
    return node


def acs_redirects(nvml: Any, handle: Any) -> list[str]:
    """Bridges above the GPU that send traffic between peers up to the CPU."""
    return redirecting_bridges(_device(nvml, handle))


def pcie_card(nvml: Any, handle: Any) -> dict[str, Any]:
    """Its end of its PCIe link."""
    return card_end(_device(nvml, handle))


def pcie_bridge(nvml: Any, handle: Any) -> dict[str, Any]:
    """The other end. LookupError where a virtual machine hides it."""
    return bridge_end(_device(nvml, handle))


def performance_state(number: int) -> int | None:
    """0, the fastest, to 15; null for what NVML calls unknown."""
    return number if number in range(16) else None


def fabric(nvml: Any, handle: Any) -> dict[str, Any]:
    """The state of an NVSwitch fabric."""
    info = nvml.c_nvmlGpuFabricInfo_v2_t()
    nvml.nvmlDeviceGetGpuFabricInfoV(handle, ctypes.byref(info))
    return _fabric(info)


def old_fabric(nvml: Any, handle: Any) -> dict[str, Any]:
    """The same from drivers such as 535, which do not tell of its health."""
    info = nvml.c_nvmlGpuFabricInfo_t()
    nvml.nvmlDeviceGetGpuFabricInfo(handle, ctypes.byref(info))
    return _fabric(info)


def _fabric(info: Any) -> dict[str, Any]:
    from uuid import UUID  # slow to load, and of fabrics alone

    return {
        "state": named(FABRIC_STATES)(info.state),
        "status": info.status,
        "clique_id": info.cliqueId,
        "cluster_uuid": str(UUID(bytes=bytes(info.clusterUuid))),
        "health_mask": getattr(info, "healthMask", 0),
    }


def processes(found: list[Any]) -> list[dict[str, Any]]:
    """What runs on a GPU."""
    return [{**described(each.pid), "used_bytes": each.usedGpuMemory} for each in found]


def far_end(info: Any) -> str | None:
    """NVML writes FFFFFFFF:FF:FF.0 for an end that it knows but does not show (a switch)."""
    return None if info.busId.upper().startswith("FFFFFFFF") else str(info.busId)


def link_speed(nvml: Any, handle: Any, link: int) -> int:
    """MB/s of a link, in one direction."""
    return _field(nvml, handle, (FIELD_NVLINK_SPEED, link))


def recovery_action(nvml: Any, handle: Any) -> str:
    """What the driver asks for, that the GPU may work again."""
    return named(RECOVERY_ACTIONS)(_field(nvml, handle, FIELD_RECOVERY_ACTION))


def _field(nvml: Any, handle: Any, which: Any) -> int:
    field = nvml.nvmlDeviceGetFieldValues(handle, [which])[0]
    if field.nvmlReturn:
        raise nvml.NVMLError(field.nvmlReturn)
    return int(field.value.uiVal)
