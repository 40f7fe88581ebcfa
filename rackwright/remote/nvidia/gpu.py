"""The questions about one GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rackwright.remote.nvidia import answers
from rackwright.remote.nvidia.links import links
from rackwright.remote.nvidia.questions import ask, first
from rackwright.remote.reader import Reader

MASK_WORDS = 16
MEMORY_INFO_V2 = 0x02000028

GPU: dict[str, Any] = {
    "name": ask("Name"),
    "uuid": ask("UUID"),
    "serial": ask("Serial"),
    "minor_number": ask("MinorNumber"),
    "pci_bus_id": ask("PciInfo", then=lambda info: info.busId),
    "memory": first(
        ask("MemoryInfo", MEMORY_INFO_V2, then=answers.memory),
        ask("MemoryInfo", then=answers.memory),
    ),
    "compute_capability": ask("CudaComputeCapability", then=lambda pair: f"{pair[0]}.{pair[1]}"),
    "pcie": {
        "generation": ask("CurrPcieLinkGeneration"),
        "width": ask("CurrPcieLinkWidth"),
        "max_generation": ask("MaxPcieLinkGeneration"),
        "max_width": ask("MaxPcieLinkWidth"),
        "gpu_max_generation": ask("GpuMaxPcieLinkGeneration"),
        "card": answers.pcie_card,
        "bridge": answers.pcie_bridge,
    },
    "fabric": first(answers.fabric, answers.old_fabric),
    "recovery_action": answers.recovery_action,
    "ecc_mode": ask("EccMode", then=answers.modes),
    "ecc_errors": {
        kind: {
            since: ask("TotalEccErrors", kind_code, since_code)
            for since_code, since in enumerate(("volatile", "aggregate"))
        }
        for kind_code, kind in enumerate(("corrected", "uncorrected"))
    },
    "remapped_rows": ask("RemappedRows", then=answers.rows),
    "throttle_reasons": first(
        ask("CurrentClocksEventReasons", then=answers.reasons),
        ask("CurrentClocksThrottleReasons", then=answers.reasons),
    ),
    "performance_state": ask("PerformanceState", then=answers.performance_state),
    "persistence_mode": ask("PersistenceMode", then=bool),
    "mig_mode": ask("MigMode", then=answers.modes),
    "power": {
        "limit_w": ask("PowerManagementLimit", then=answers.watts),
        "enforced_limit_w": ask("EnforcedPowerLimit", then=answers.watts),
        "draw_w": ask("PowerUsage", then=answers.watts),
    },
    "temperature_c": first(ask("TemperatureV", 0), ask("Temperature", 0)),
    "utilization_percent": ask(
        "UtilizationRates", then=lambda rates: {"gpu": rates.gpu, "memory": rates.memory}
    ),
    "acs_redirects": answers.acs_redirects,
    "processes": ask("ComputeRunningProcesses", then=answers.processes),
    "numa_node": first(
        ask("MemoryAffinity", MASK_WORDS, 0, then=answers.nearest_node), answers.sysfs_node
    ),
    "cpu_affinity": ask("CpuAffinity", MASK_WORDS, then=answers.cpu_list),
}
"""The questions about one GPU, asked with (pynvml, handle), in the shape of their answers."""

GLANCE = ("name", "memory", "utilization_percent", "temperature_c", "power", "processes")
"""The questions about a GPU whose answers change from second to second, and its name."""
NAMES = ("uuid", "pci_bus_id")
"""Those by which a process or a log means it."""


def observed(reader: Reader, nvml: Any, index: int, handle: Any) -> dict[str, Any] | None:
    """All that is asked of a GPU by this index; None for one that is lost."""
    path = f"gpus[{index}]"
    if handle is None:
        return None
    gpu = {"index": index, **reader.fill(path, GPU, nvml, handle)}
    gpu["nvlinks"] = reader.read(
        f"{path}.nvlinks", lambda: links(reader, f"{path}.nvlinks", nvml, handle)
    )
    return gpu


def glanced(reader: Reader, nvml: Any, index: int, handle: Any) -> dict[str, Any] | None:
    """The part of it that ``GLANCE`` names, quickly."""
    return _part(GLANCE, reader, nvml, index, handle)


def named(reader: Reader, nvml: Any, index: int, handle: Any) -> dict[str, Any] | None:
    """The part of it that ``NAMES`` names."""
    return _part(NAMES, reader, nvml, index, handle)


def _part(
    keys: Sequence[str], reader: Reader, nvml: Any, index: int, handle: Any
) -> dict[str, Any] | None:
    questions = {key: GPU[key] for key in keys}
    return None if handle is None else reader.fill(f"gpus[{index}]", questions, nvml, handle)
