"""What a host is: its GPUs as NVML sees them, and its operating system. Printed as JSON.

One file that runs on the host with its own Python (3.9 or newer), as ``python3 - < probe.py``.
It imports nothing of the project; nvidia-ml-py (``pynvml``) is used where it can be imported.
It only reads. What cannot be read is null, and ``unavailable`` says why, by path
(``"gpus[0].fabric": "NVMLError_NotSupported: Not Supported"``); it never fails as a whole.

The shape (``?`` may be null; every value that NVML may refuse is one of these)::

    schema             1
    time_unix_s        the host's clock when it was asked
    nvml?              driver_version, nvml_version, cuda_version ("13.0": the newest the driver
                       supports); null without the NVIDIA library or its driver
    gpus               one a GPU, in NVML's order; [] without NVML, null for a GPU that is lost
      index            NVML's; CUDA counts so only with CUDA_DEVICE_ORDER=PCI_BUS_ID
      name? uuid? serial? minor_number?
      pci_bus_id?      "00000000:17:00.0"
      memory?          total_bytes, used_bytes, free_bytes, and reserved_bytes (by the driver; null
                       from drivers before 510, which count it as used)
      compute_capability?       "9.0"
      acs_redirects?   PCI addresses of the bridges above it that send traffic between GPUs up to
                       the CPU (ACS request or completion redirect)
      pcie             generation?, width? (lanes) now; max_generation?, max_width? of this GPU in
                       this slot; gpu_max_generation? of the GPU in any slot
      nvlinks?         one a link: link (number), active? (bool), version? ("4.0"), remote_type?
                       (gpu, switch, npu, unknown), remote_pci_bus_id? (null without
                       reason: hidden, as for switches), speed_mb_per_s? (one direction).
                       [] for a GPU without NVLink
      fabric?          state (not_supported, not_started, in_progress, completed), status (an NVML
                       return code, 0 is success), clique_id, cluster_uuid, health_mask
      ecc_mode? mig_mode?       current, pending (bool)
      ecc_errors       corrected, uncorrected: volatile? (since the driver loaded), aggregate?
      remapped_rows?   correctable, uncorrectable (counts), pending, failure (bool)
      throttle_reasons?         why clocks are below their maximum: names, [] for none
      persistence_mode?         bool
      power            limit_w?, enforced_limit_w?, draw_w?
      temperature_c?
      utilization_percent?      gpu, memory: share of the last sample period that each was busy
      processes?       compute processes: pid (of the host), used_bytes?, command?, cgroups ([]
                       for one that is gone, or runs in another PID namespace)
      numa_node?       the host memory nearest to the GPU; from NVML, else sysfs
      cpu_affinity?    the CPUs nearest to it, as Linux writes lists: "0-31,64-95"
    topology           matrices by NVML index; the diagonal is null
      common_ancestor  INTERNAL (one board), PIX, PXB, PHB, NODE or SYS, as nvidia-smi topo -m
      p2p              read, write, nvlink, atomics, pcie: OK, CNS, GNS, TNS, DR, NS or U, as
                       nvidia-smi topo -p2p
    os                 hostname, kernel, architecture, id?, version_id? (of os-release), cpu_count?,
                       memory_total_bytes?, nvidia_module_version? (of the kernel module loaded),
                       secure_boot? (bool), iommu? (how DMA is translated: DMA, DMA-FQ, identity;
                       [] without an IOMMU)
    xids?              the driver's errors in the kernel's log since boot, oldest first:
                       pci_bus_id ("0000:17:00"), code, text
    unavailable        path -> reason

A code that this file does not know is given as text: ``"unknown (9)"``.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import platform
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

Question = Callable[..., Any]
"""Asked with (pynvml, a device handle, ...); raises what it likes."""

ANCESTORS = {0: "INTERNAL", 10: "PIX", 20: "PXB", 30: "PHB", 40: "NODE", 50: "SYS"}
P2P_CAPABILITIES = ("read", "write", "nvlink", "atomics", "pcie")
P2P_STATUS = dict(enumerate(("OK", "CNS", "GNS", "TNS", "DR", "NS", "U")))
LINK_VERSIONS = dict(enumerate(("1.0", "2.0", "2.2", "3.0", "3.1", "4.0", "5.0", "6.0"), start=1))
LINK_ENDS = {0: "gpu", 1: "npu", 2: "switch", 255: "unknown"}
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
FIELD_NVLINK_SPEED = 164
MAX_LINKS = 36
MASK_WORDS = 16
MOST_COMMAND = 120
MOST_RECORD = 8192
XID = re.compile(r"NVRM: Xid \(PCI:([0-9A-Fa-f:.]+)\): (\d+),?\s*(.*)")
EFI = Path("/sys/firmware/efi")
SECURE_BOOT = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
IOMMU_GROUPS = Path("/sys/kernel/iommu_groups")
PCI_DEVICES = Path("/sys/bus/pci/devices")
PCI_ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
EXTENDED, MOST_CAPABILITIES = 0x100, 64
"""Where extended capabilities of PCI configuration space begin, and more than it has room for."""
ACS, REDIRECTS = 0x000D, 0x0004 | 0x0008
MEMORY_INFO_V2 = 0x02000028


class Reader:
    """Asks questions one by one; notes why one had no answer, and goes on."""

    def __init__(self) -> None:
        """Nothing is unavailable yet."""
        self.unavailable: dict[str, str] = {}

    def read(self, path: str, question: Question, *at: Any) -> Any:
        """The answer, or ``None`` with the reason kept under ``path``."""
        try:
            return question(*at)
        except Exception as error:
            self.unavailable[path] = f"{type(error).__name__}: {error}"
            return None

    def fill(self, path: str, table: Any, *at: Any) -> Any:
        """A table of questions, nested as its answers are to be, answered."""
        if not isinstance(table, dict):
            return self.read(path, table, *at)
        return {key: self.fill(f"{path}.{key}", part, *at) for key, part in table.items()}


def _ask(name: str, *arguments: Any, then: Callable[[Any], Any] = lambda value: value) -> Question:
    """The question ``nvmlDeviceGet<name>(handle, ..., *arguments)``, its answer put in shape."""
    return lambda nvml, *at: then(getattr(nvml, f"nvmlDeviceGet{name}")(*at, *arguments))


def _first(*questions: Question) -> Question:
    """The first that has an answer; when none has, the last one's reason."""

    def question(*at: Any) -> Any:
        for attempt in questions[:-1]:
            with contextlib.suppress(Exception):
                return attempt(*at)
        return questions[-1](*at)

    return question


def _named(names: dict[int, str]) -> Callable[[int], str]:
    return lambda code: names.get(code, f"unknown ({code})")


def _watts(milliwatts: int) -> float:
    return milliwatts / 1000


def _modes(pair: list[int]) -> dict[str, bool]:
    return {"current": bool(pair[0]), "pending": bool(pair[1])}


def _memory(info: Any) -> dict[str, Any]:
    return {
        "total_bytes": info.total,
        "reserved_bytes": getattr(info, "reserved", None),
        "used_bytes": info.used,
        "free_bytes": info.free,
    }


def _rows(rows: tuple[int, int, int, int]) -> dict[str, Any]:
    correctable, uncorrectable, pending, failure = rows
    return {
        "correctable": correctable,
        "uncorrectable": uncorrectable,
        "pending": bool(pending),
        "failure": bool(failure),
    }


def _reasons(bits: int) -> list[str]:
    high = range(len(THROTTLE_REASONS), 64)
    return [name for bit, name in enumerate(THROTTLE_REASONS) if bits >> bit & 1] + [
        f"unknown (bit {bit})" for bit in high if bits >> bit & 1
    ]


def _bits(words: Any) -> list[int]:
    return [64 * i + bit for i, word in enumerate(words) for bit in range(64) if word >> bit & 1]


def _cpu_list(words: Any) -> str:
    """A mask of CPUs as Linux writes it: ``0-31,64-95``."""
    runs: list[list[int]] = []
    for cpu in _bits(words):
        if runs and cpu == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], cpu]
        else:
            runs.append([cpu])
    return ",".join("-".join(map(str, run)) for run in runs)


def _nearest_node(words: Any) -> int:
    nodes = _bits(words)
    if len(nodes) != 1:
        raise ValueError(f"NVML names {len(nodes)} nodes")
    return nodes[0]


def _sysfs_node(nvml: Any, handle: Any) -> int:
    address = nvml.nvmlDeviceGetPciInfo(handle).busId.lower()[-12:]
    node = int(Path(f"/sys/bus/pci/devices/{address}/numa_node").read_text())
    if node < 0:
        raise ValueError("the firmware does not tell (sysfs says -1)")
    return node


def _acs_redirects(nvml: Any, handle: Any) -> list[str]:
    address = nvml.nvmlDeviceGetPciInfo(handle).busId.lower()[-12:]
    path = (PCI_DEVICES / address).resolve(strict=True)
    above = [part for part in path.parts[:-1] if PCI_ADDRESS.fullmatch(part)]
    return [each for each in above if _redirects((PCI_DEVICES / each / "config").read_bytes())]


def _redirects(config: bytes) -> bool:
    """Whether ACS of a bridge redirects requests or completions (PCI Express 4.0, 7.7.8)."""
    if len(config) <= EXTENDED:
        raise PermissionError("PCI configuration space is readable in full by root only")
    at = EXTENDED
    for _ in range(MOST_CAPABILITIES):
        head = int.from_bytes(config[at : at + 4], "little")
        if head & 0xFFFF == ACS:
            control = int.from_bytes(config[at + 6 : at + 8], "little")
            return bool(control & REDIRECTS)
        at = head >> 20
        if at < EXTENDED:
            return False
    return False


def _fabric(nvml: Any, handle: Any) -> dict[str, Any]:
    info = nvml.c_nvmlGpuFabricInfo_v2_t()
    nvml.nvmlDeviceGetGpuFabricInfoV(handle, ctypes.byref(info))
    return {
        "state": _named(FABRIC_STATES)(info.state),
        "status": info.status,
        "clique_id": info.cliqueId,
        "cluster_uuid": str(uuid.UUID(bytes=bytes(info.clusterUuid))),
        "health_mask": info.healthMask,
    }


def _processes(found: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "pid": process.pid,
            "used_bytes": process.usedGpuMemory,
            "command": _command(process.pid),
            "cgroups": _cgroups(process.pid),
        }
        for process in found
    ]


def _command(pid: int) -> str | None:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
        return words.decode(errors="replace").strip()[:MOST_COMMAND] or None
    return None


def _cgroups(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        return sorted({line.split(":", 2)[2] for line in lines})
    return []


def _far_end(info: Any) -> str | None:
    """NVML writes FFFFFFFF:FF:FF.0 for an end that it knows but does not show (a switch)."""
    return None if info.busId.upper().startswith("FFFFFFFF") else str(info.busId)


def _link_speed(nvml: Any, handle: Any, link: int) -> int:
    field = nvml.nvmlDeviceGetFieldValues(handle, [(FIELD_NVLINK_SPEED, link)])[0]
    if field.nvmlReturn:
        raise nvml.NVMLError(field.nvmlReturn)
    return int(field.value.uiVal)


GPU: dict[str, Any] = {
    "name": _ask("Name"),
    "uuid": _ask("UUID"),
    "serial": _ask("Serial"),
    "minor_number": _ask("MinorNumber"),
    "pci_bus_id": _ask("PciInfo", then=lambda info: info.busId),
    "memory": _first(
        _ask("MemoryInfo", MEMORY_INFO_V2, then=_memory), _ask("MemoryInfo", then=_memory)
    ),
    "compute_capability": _ask("CudaComputeCapability", then=lambda pair: f"{pair[0]}.{pair[1]}"),
    "pcie": {
        "generation": _ask("CurrPcieLinkGeneration"),
        "width": _ask("CurrPcieLinkWidth"),
        "max_generation": _ask("MaxPcieLinkGeneration"),
        "max_width": _ask("MaxPcieLinkWidth"),
        "gpu_max_generation": _ask("GpuMaxPcieLinkGeneration"),
    },
    "fabric": _fabric,
    "ecc_mode": _ask("EccMode", then=_modes),
    "ecc_errors": {
        kind: {
            since: _ask("TotalEccErrors", kind_code, since_code)
            for since_code, since in enumerate(("volatile", "aggregate"))
        }
        for kind_code, kind in enumerate(("corrected", "uncorrected"))
    },
    "remapped_rows": _ask("RemappedRows", then=_rows),
    "throttle_reasons": _first(
        _ask("CurrentClocksEventReasons", then=_reasons),
        _ask("CurrentClocksThrottleReasons", then=_reasons),
    ),
    "persistence_mode": _ask("PersistenceMode", then=bool),
    "mig_mode": _ask("MigMode", then=_modes),
    "power": {
        "limit_w": _ask("PowerManagementLimit", then=_watts),
        "enforced_limit_w": _ask("EnforcedPowerLimit", then=_watts),
        "draw_w": _ask("PowerUsage", then=_watts),
    },
    "temperature_c": _first(_ask("TemperatureV", 0), _ask("Temperature", 0)),
    "utilization_percent": _ask(
        "UtilizationRates", then=lambda rates: {"gpu": rates.gpu, "memory": rates.memory}
    ),
    "acs_redirects": _acs_redirects,
    "processes": _ask("ComputeRunningProcesses", then=_processes),
    "numa_node": _first(_ask("MemoryAffinity", MASK_WORDS, 0, then=_nearest_node), _sysfs_node),
    "cpu_affinity": _ask("CpuAffinity", MASK_WORDS, then=_cpu_list),
}
"""The questions about one GPU, asked with (pynvml, handle), in the shape of their answers."""

LINK: dict[str, Any] = {
    "active": _ask("NvLinkState", then=bool),
    "version": _ask("NvLinkVersion", then=_named(LINK_VERSIONS)),
    "remote_type": _ask("NvLinkRemoteDeviceType", then=_named(LINK_ENDS)),
    "remote_pci_bus_id": _ask("NvLinkRemotePciInfo", then=_far_end),
    "speed_mb_per_s": _link_speed,
}
"""The questions about one NVLink, asked with (pynvml, handle, link)."""

NVML: dict[str, Any] = {
    "driver_version": lambda nvml: nvml.nvmlSystemGetDriverVersion(),
    "nvml_version": lambda nvml: nvml.nvmlSystemGetNVMLVersion(),
    "cuda_version": lambda nvml: _cuda(nvml.nvmlSystemGetCudaDriverVersion_v2()),
}
"""The questions about the driver, asked with (pynvml,)."""


def _cuda(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"


def _os_release() -> dict[str, str]:
    lines = Path("/etc/os-release").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def _secure_boot() -> bool:
    """The variable's value follows four bytes of attributes; firmware without EFI has none."""
    if not EFI.exists():
        return False
    return (EFI / "efivars" / SECURE_BOOT).read_bytes()[4] == 1


def _kernel_log() -> Iterator[str]:
    """Lines of this boot: the kernel's own buffer, or what the journal kept of it."""
    try:
        handle = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        argv = ["journalctl", "--dmesg", "--boot", "--output=cat", "--no-pager"]
        yield from subprocess.run(argv, stdout=-1, check=True, text=True).stdout.splitlines()
        return
    try:
        while record := os.read(handle, MOST_RECORD):
            yield record.decode(errors="replace").partition(";")[2].partition("\n")[0]
    except BlockingIOError:
        return  # nothing newer
    finally:
        os.close(handle)


def _xids(lines: Iterable[str]) -> list[dict[str, Any]]:
    found = (XID.search(line) for line in lines)
    return [
        {"pci_bus_id": one[1].lower(), "code": int(one[2]), "text": one[3].strip()}
        for one in found
        if one
    ]


def _memory_total_bytes() -> int:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:"))


OS: dict[str, Any] = {
    "hostname": platform.node,
    "kernel": platform.release,
    "architecture": platform.machine,
    "id": lambda: _os_release()["ID"],
    "version_id": lambda: _os_release()["VERSION_ID"],
    "cpu_count": os.cpu_count,
    "memory_total_bytes": _memory_total_bytes,
    "secure_boot": lambda: _secure_boot(),
    "iommu": lambda: sorted({path.read_text().strip() for path in IOMMU_GROUPS.glob("*/type")}),
    "nvidia_module_version": lambda: Path("/sys/module/nvidia/version").read_text().strip(),
}
"""The questions about the operating system, asked with nothing."""


def _links(reader: Reader, path: str, nvml: Any, handle: Any) -> list[dict[str, Any]]:
    """The GPU's NVLinks. A number that NVML calls unsupported or invalid is no link of this GPU."""
    absent = (nvml.NVMLError_NotSupported, nvml.NVMLError_InvalidArgument)
    links: list[dict[str, Any]] = []
    for number in range(MAX_LINKS):
        with contextlib.suppress(*absent):
            nvml.nvmlDeviceGetNvLinkState(handle, number)
            answers = reader.fill(f"{path}[{len(links)}]", LINK, nvml, handle, number)
            links.append({"link": number, **answers})
    return links


GLANCE = ("name", "memory", "utilization_percent", "temperature_c", "power", "processes")
"""The questions about a GPU whose answers change from second to second, and its name."""


def _gpu(reader: Reader, nvml: Any, index: int, handle: Any) -> dict[str, Any] | None:
    path = f"gpus[{index}]"
    if handle is None:
        return None
    gpu = {"index": index, **reader.fill(path, GPU, nvml, handle)}
    gpu["nvlinks"] = reader.read(
        f"{path}.nvlinks", lambda: _links(reader, f"{path}.nvlinks", nvml, handle)
    )
    return gpu


def _matrix(reader: Reader, path: str, question: Question, nvml: Any, handles: list[Any]) -> Any:
    """``question`` for every ordered pair of GPUs; null on the diagonal and for a lost GPU."""

    def cell(row: int, column: int) -> Any:
        if row == column or handles[row] is None or handles[column] is None:
            return None
        at = (nvml, handles[row], handles[column])
        return reader.read(f"{path}[{row}][{column}]", question, *at)

    numbers = range(len(handles))
    return [[cell(row, column) for column in numbers] for row in numbers]


def _topology(reader: Reader, nvml: Any, handles: list[Any]) -> dict[str, Any]:
    ancestor = _ask("TopologyCommonAncestor", then=_named(ANCESTORS))
    p2p = {
        name: _ask("P2PStatus", code, then=_named(P2P_STATUS))
        for code, name in enumerate(P2P_CAPABILITIES)
    }
    path = "topology.p2p"
    return {
        "common_ancestor": _matrix(reader, "topology.common_ancestor", ancestor, nvml, handles),
        "p2p": {
            name: _matrix(reader, f"{path}.{name}", question, nvml, handles)
            for name, question in p2p.items()
        },
    }


def _handles(reader: Reader, nvml: Any) -> list[Any]:
    count = reader.read("gpus", nvml.nvmlDeviceGetCount) or 0
    return [
        reader.read(f"gpus[{index}]", nvml.nvmlDeviceGetHandleByIndex, index)
        for index in range(count)
    ]


def _nvidia(reader: Reader, nvml: Any) -> dict[str, Any]:
    handles = _handles(reader, nvml)
    return {
        "nvml": reader.fill("nvml", NVML, nvml),
        "gpus": [_gpu(reader, nvml, index, handle) for index, handle in enumerate(handles)],
        "topology": _topology(reader, nvml, handles),
    }


@contextlib.contextmanager
def _started() -> Iterator[Any]:
    """The pynvml module between nvmlInit and nvmlShutdown."""
    nvml = importlib.import_module("pynvml")
    nvml.nvmlInit()
    try:
        yield nvml
    finally:
        with contextlib.suppress(Exception):
            nvml.nvmlShutdown()


def _all_nvidia(reader: Reader) -> dict[str, Any]:
    with _started() as nvml:
        return _nvidia(reader, nvml)


def observe() -> dict[str, Any]:
    """Look at this host once; see the module's text for the shape. Never raises."""
    reader = Reader()
    nothing: dict[str, Any] = {
        "nvml": None,
        "gpus": [],
        "topology": {"common_ancestor": [], "p2p": {}},
    }
    return {
        "schema": 1,
        "time_unix_s": time.time(),
        **(reader.read("nvml", _all_nvidia, reader) or nothing),
        "os": reader.fill("os", OS),
        "xids": reader.read("xids", lambda: _xids(_kernel_log())),
        "unavailable": reader.unavailable,
    }


def _glances(reader: Reader) -> list[Any]:
    questions = {key: GPU[key] for key in GLANCE}
    with _started() as nvml:
        return [
            None if handle is None else reader.fill(f"gpus[{index}]", questions, nvml, handle)
            for index, handle in enumerate(_handles(reader, nvml))
        ]


def glance() -> dict[str, Any]:
    """The ``gpus`` of ``observe()`` with the keys of ``GLANCE`` alone, quickly. Never raises."""
    reader = Reader()
    gpus = reader.read("nvml", _glances, reader) or []
    return {"gpus": gpus, "unavailable": reader.unavailable}


if __name__ == "__main__":
    json.dump(observe(), sys.stdout)
