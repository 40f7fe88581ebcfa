"""The probe against the NVML stand-in, and on hosts that lack one thing or another."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pynvml
import pytest

from lab import nvml
from lab.nvml.profile import PROFILES
from rackwright.remote import glance
from rackwright.remote.host import kernel_log as log
from rackwright.remote.host import operating_system
from rackwright.remote.host.kernel_log import since_loaded, sxids, xids
from rackwright.remote.host.pci import redirects
from rackwright.remote.nvidia.gpu import GLANCE, GPU
from tests.samples import travelling

CAPTURE = json.loads((Path(__file__).parents[2] / "data/h200x2/nvml.json").read_text())
WHOLE = (PROFILES / "h200x2.profile").read_text()
Observe = Callable[[str], dict[str, Any]]


def run(*flags: str, folder: Path, profile: Path | None = None) -> dict[str, Any]:
    """The probe as the runner starts it: all that travels on the standard input of Python."""
    names = {"LD_LIBRARY_PATH": str(folder), "RACKWRIGHT_NVML_PROFILE": str(profile)}
    python = (sys.executable, *flags)
    result = travelling.run("probe", python=python, env=os.environ | names)
    assert result.stderr == ""
    observed: dict[str, Any] = json.loads(result.stdout)
    return observed


def nulls(value: Any, path: str = "") -> Iterator[str]:
    """The path of every null, in the notation of ``unavailable``."""
    if value is None:
        yield path.lstrip(".")
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from nulls(part, f"{path}.{key}")
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from nulls(part, f"{path}[{index}]")


def is_null_by_design(path: str) -> bool:
    """The diagonal of a matrix, a switch's hidden address, what an older driver lacks."""
    on_diagonal = path.startswith("topology.") and path[-6:-3] == path[-3:]
    return on_diagonal or path.endswith((".remote_pci_bus_id", ".memory.reserved_bytes"))


def unexplained(observed: dict[str, Any]) -> set[str]:
    found = {path for path in nulls(observed) if not is_null_by_design(path)}
    return found - set(observed["unavailable"])


@pytest.mark.parametrize(("name", "count"), [("h200x2", 2), ("h200x1", 1)])
def test_over_standard_input_it_says_what_the_host_said(
    library: Path, name: str, count: int
) -> None:
    observed = run(folder=library.parent, profile=PROFILES / f"{name}.profile")
    assert observed["nvml"] == {
        "driver_version": CAPTURE["driver"],
        "nvml_version": CAPTURE["nvml"],
        "cuda_version": "13.0",
    }
    assert len(observed["gpus"]) == count
    for gpu, captured in zip(observed["gpus"], CAPTURE["gpus"], strict=False):
        check_gpu(gpu, captured)
    # The stand-in's GPUs are on no bus of this machine, which may have no systemd; its library
    # is a file without a version, with no kernel module. The capture is older than some questions.
    lacking = (
        "acs_redirects",
        "recovery_action",
        "pcie.card",
        "pcie.bridge",
        "performance_state",
    )
    here = {f"gpus[{index}].{key}" for index in range(count) for key in lacking}
    here |= {"os.nvidia_module_version", "fabric_manager", "library_version"}
    assert set(observed["unavailable"]) <= here
    assert observed["unavailable"]["gpus[0].recovery_action"].startswith("NVMLError_NotSupported")


def check_gpu(gpu: dict[str, Any], captured: dict[str, Any]) -> None:
    assert (gpu["name"], gpu["uuid"]) == (captured["Name"], captured["UUID"])
    assert gpu["pci_bus_id"] == captured["PciInfo"]["busId"]
    sizes = captured["MemoryInfo_v2"]
    for key in ("total", "reserved", "used", "free"):
        assert gpu["memory"][f"{key}_bytes"] == sizes[key]
    assert gpu["pcie"] == {
        "generation": captured["CurrPcieLinkGeneration"],
        "width": captured["CurrPcieLinkWidth"],
        "max_generation": captured["MaxPcieLinkGeneration"],
        "max_width": captured["MaxPcieLinkWidth"],
        "gpu_max_generation": captured["GpuMaxPcieLinkGeneration"],
        "card": None,
        "bridge": None,
    }
    assert gpu["temperature_c"] == captured["Temperature"]
    assert gpu["power"]["limit_w"] * 1000 == captured["PowerManagementLimit"]
    assert gpu["power"]["draw_w"] * 1000 == pytest.approx(captured["PowerUsage"])
    link = {"active": True, "version": "4.0", "remote_type": "switch", "remote_pci_bus_id": None}
    links = [{"link": n, **link, "speed_mb_per_s": 26562} for n in range(18)]
    assert gpu["nvlinks"] == links
    assert {key: gpu[key] for key in READ_AS} == READ_AS


READ_AS = {
    "compute_capability": "9.0",
    "ecc_mode": {"current": True, "pending": True},
    "ecc_errors": {
        "corrected": {"volatile": 0, "aggregate": 0},
        "uncorrected": {"volatile": 0, "aggregate": 0},
    },
    "remapped_rows": {"correctable": 0, "uncorrectable": 0, "pending": False, "failure": False},
    "throttle_reasons": ["gpu_idle"],
    "persistence_mode": True,
    "mig_mode": {"current": False, "pending": False},
    "utilization_percent": {"gpu": 0, "memory": 0},
    "processes": [],
    "numa_node": 0,
    "cpu_affinity": "0-31",
    "fabric": {
        "state": "completed",
        "status": 0,
        "clique_id": 0,
        "cluster_uuid": "00000000-0000-0000-0000-000000000000",
        "health_mask": 0,
    },
}


def test_topology_in_the_words_of_nvidia_smi(observe: Observe) -> None:
    topology = observe(WHOLE)["topology"]
    assert topology["common_ancestor"] == [[None, "PHB"], ["PHB", None]]
    fine, none = [[None, "OK"], ["OK", None]], [[None, "NS"], ["NS", None]]
    assert topology["p2p"] == dict.fromkeys(("read", "write", "nvlink", "atomics"), fine) | {
        "pcie": none
    }


def test_the_operating_system(observe: Observe) -> None:
    observed = observe(WHOLE)
    assert observed["os"]["kernel"] == os.uname().release
    assert observed["os"]["hostname"] == os.uname().nodename
    assert observed["os"]["cpu_count"] == os.cpu_count()
    assert observed["os"]["memory_total_bytes"] > 1 << 28
    assert observed["os"]["id"] and observed["time_unix_s"] > 1.7e9


def without_gpus(observed: dict[str, Any]) -> str:
    assert observed["nvml"] is None and observed["gpus"] == []
    assert observed["topology"] == {"common_ancestor": [], "p2p": {}}
    assert observed["os"]["kernel"] and not unexplained(observed)
    reason: str = observed["unavailable"]["nvml"]
    return reason


@pytest.mark.parametrize("flags", [(), ("-I", "-S")])
def test_without_the_library_and_with_no_nvidia_ml_py_but_what_travels(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    (tmp_path / nvml.SONAME).touch()  # no library, and hides one that the machine may have
    assert "NVMLError_LibraryNotFound" in without_gpus(run(*flags, folder=tmp_path))


def test_without_a_driver_and_with_another_library_than_its(
    library: Path, observe: Observe, tmp_path: Path
) -> None:
    reason = without_gpus(run(folder=library.parent, profile=tmp_path / "none"))
    assert reason == "NVMLError_DriverNotLoaded: Driver Not Loaded"
    assert "LibRmVersionMismatch" in without_gpus(observe(f"Init=!18\n{WHOLE}"))


def test_a_library_that_refuses_to_start_tells_its_version(library: Path, tmp_path: Path) -> None:
    """As NVIDIA's packages lay it: a link by the library's own name to a file of its version."""
    (tmp_path / "libnvidia-ml.so.580.178.04").write_bytes(library.read_bytes())
    (tmp_path / nvml.SONAME).symlink_to("libnvidia-ml.so.580.178.04")
    profile = tmp_path / "profile"
    profile.write_text(f"Init=!18\n{WHOLE}")
    observed = run(folder=tmp_path, profile=profile)
    assert "NVMLError_LibRmVersionMismatch" in without_gpus(observed)
    assert observed["library_version"] == "580.178.04"


def test_no_library_has_no_version(tmp_path: Path) -> None:
    (tmp_path / nvml.SONAME).touch()
    observed = run(folder=tmp_path)
    assert observed["library_version"] is None
    assert observed["unavailable"]["library_version"].startswith("OSError")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build", "580.159.04"),
        ("NVIDIA UNIX x86_64 Kernel Module  535.54.03  Tue Jun  6 22:20:39 UTC 2023", "535.54.03"),
        ("NVIDIA UNIX aarch64 Kernel Module  550.90  Tue Jun  6 22:20:39 UTC 2023", "550.90"),
    ],
)
def test_the_loaded_module_tells_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, version: str
) -> None:
    sysfs, proc = tmp_path / "sysfs", tmp_path / "proc"
    monkeypatch.setattr(operating_system, "SYSFS_VERSION", sysfs)
    monkeypatch.setattr(operating_system, "PROC_VERSION", proc)
    with pytest.raises(FileNotFoundError):
        operating_system.nvidia_module_version()
    proc.write_text(f"NVRM version: {text}\nGCC version:  gcc version 13.3.0\n")
    assert operating_system.nvidia_module_version() == version
    proc.write_text("NVRM version: none\n")
    with pytest.raises(ValueError, match="has no version"):
        operating_system.nvidia_module_version()
    sysfs.write_text("570.86.15\n")
    assert operating_system.nvidia_module_version() == "570.86.15"


KEYS = sorted({line.split("=")[0] for line in WHOLE.splitlines() if "=" in line})


def replaced(key: str, value: str | None) -> str:
    """The profile with ``key`` gone from every GPU, and ``value`` for it in the first."""
    lines = [line for line in WHOLE.splitlines() if not line.startswith(f"{key}=")]
    if value is not None:
        at = 0 if key in WHOLE.partition("[gpu 0]")[0] else lines.index("[gpu 0]") + 1
        lines.insert(at, f"{key}={value}")
    return "\n".join(lines)


@pytest.mark.parametrize("value", [None, "!3", "!15", "!999", "garbage"])
def test_whatever_is_missing_or_fails_is_null_with_its_reason(
    observe: Observe, value: str | None
) -> None:
    healthy = len(list(nulls(observe(WHOLE))))
    hurt = 0
    for key in KEYS:
        observed = observe(replaced(key, value))
        assert len(observed["gpus"]) == 2
        assert unexplained(observed) == set(), key
        hurt += len(list(nulls(observed))) > healthy
    assert hurt >= 28, "most of these keys are asked for"


def test_an_unsupported_value_names_its_path(observe: Observe) -> None:
    observed = observe(WHOLE.replace("MigMode=0,0\n", "", 1))
    assert observed["gpus"][0]["mig_mode"] is None
    assert observed["gpus"][1]["mig_mode"] is not None
    reason = observed["unavailable"]["gpus[0].mig_mode"]
    assert reason == "NVMLError_NotSupported: Not Supported"


def test_a_gpu_that_is_lost_is_null_and_the_others_are_seen(observe: Observe) -> None:
    observed = observe(WHOLE.replace("[gpu 1]\n", "[gpu 1]\nHandle=!15\n"))
    assert observed["gpus"][1] is None and observed["gpus"][0]["index"] == 0
    assert observed["unavailable"]["gpus[1]"] == "NVMLError_GpuIsLost: GPU is lost"
    assert observed["topology"]["common_ancestor"] == [[None, None], [None, None]]


def test_a_gpu_without_nvlink_has_none(observe: Observe) -> None:
    lines = [line for line in WHOLE.splitlines() if not line.startswith(("NvLink", "Field."))]
    observed = observe("\n".join(lines))
    assert [gpu["nvlinks"] for gpu in observed["gpus"]] == [[], []]


def test_links_that_are_down_or_missing(observe: Observe) -> None:
    observed = observe(WHOLE.replace("NvLinkState=1,1,1,", "NvLinkState=0,-,1,", 1))
    links = observed["gpus"][0]["nvlinks"]
    assert [(each["link"], each["active"]) for each in links[:2]] == [(0, False), (2, True)]
    assert len(links) == 17


def test_an_older_driver_has_the_memory_without_what_is_reserved(observe: Observe) -> None:
    memory = observe(WHOLE.replace("MemoryInfo_v2=", "Ignored="))["gpus"][0]["memory"]
    assert memory["used_bytes"] == CAPTURE["gpus"][0]["MemoryInfo"]["used"]
    assert memory["reserved_bytes"] is None


def test_a_driver_before_550_tells_of_its_fabric_without_its_health() -> None:
    class Driver535:
        c_nvmlGpuFabricInfo_t = pynvml.c_nvmlGpuFabricInfo_t
        c_nvmlGpuFabricInfo_v2_t = pynvml.c_nvmlGpuFabricInfo_v2_t

        def nvmlDeviceGetGpuFabricInfoV(self, handle: int, info: Any) -> None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)

        def nvmlDeviceGetGpuFabricInfo(self, handle: int, info: Any) -> None:
            info._obj.state = handle

    answers = [GPU["fabric"](Driver535(), state) for state in (0, 3)]
    assert [answer["state"] for answer in answers] == ["not_supported", "completed"]
    assert {answer["health_mask"] for answer in answers} == {0}


def test_processes_throttling_and_unknown_codes(observe: Observe) -> None:
    text = WHOLE.replace(
        "[gpu 0]\n", "[gpu 0]\nprocess=" + str(os.getpid()) + ",1073741824\nprocess=4194305,1\n"
    )
    text = text.replace("CurrentClocksThrottleReasons=1", "CurrentClocksThrottleReasons=0x8044")
    gpu = observe(text.replace("NvLinkVersion=6", "NvLinkVersion=99"))["gpus"][0]
    ours, gone = gpu["processes"]
    assert (ours["pid"], ours["used_bytes"]) == (os.getpid(), 1 << 30)
    assert "python" in ours["command"] and ours["cgroups"]
    assert gone == {"pid": 4194305, "used_bytes": 1, "command": None, "cgroups": []}
    reasons = ["sw_power_cap", "hw_thermal_slowdown", "unknown (bit 15)"]
    assert gpu["throttle_reasons"] == reasons
    assert gpu["nvlinks"][0]["version"] == "unknown (99)"


def test_cpu_lists(observe: Observe) -> None:
    text = WHOLE.replace("CpuAffinity=4294967295", "CpuAffinity=0x800000000000000b,1", 1)
    assert observe(text)["gpus"][0]["cpu_affinity"] == "0-1,3,63-64"


LOG = """\
NVRM: Xid (PCI:0000:17:00): 79, GPU has fallen off the bus.
NVRM: loading NVIDIA UNIX x86_64 Kernel Module  580.159.04
NVRM: Xid (PCI:0000:17:00): 79, pid=1234, name=python, GPU has fallen off the bus.
[ 9.1] NVRM: Xid (PCI:0000:A6:00): 31, pid='<unknown>', MMU Fault
NVRM: Xid (0000:01:00): 31, Ch 0000000b, engmask 00000120, intr 10000000
NVRM: Xid (PCI:0000:01:00 GPU-I:05): 94, pid=7194, Contained: CE User Channel (0x9)
nvidia-nvswitch3: SXid (PCI:0000:05:00.0): 12028, Non-fatal, Link 32 egress (First)
[131453.7] nvidia-nvswitch0: SXid (PCI:0000:0A:00.0): 20034, Fatal, Link 30 LTSSM Fault Up
NVRM: Xid errors are documented elsewhere
NVRM: Xid (PCI:0000:17:00): 43, pid=9, name=NVRM: loading N, Ch 00000008
"""


def told(pci_bus_id: str, code: int, text: str) -> dict[str, object]:
    return {"pci_bus_id": pci_bus_id, "code": code, "text": text}


def test_errors_of_the_kernel_log() -> None:
    lines = since_loaded(LOG.splitlines())
    assert xids(lines) == [
        told("0000:17:00", 79, "pid=1234, name=python, GPU has fallen off the bus."),
        told("0000:a6:00", 31, "pid='<unknown>', MMU Fault"),
        told("0000:01:00", 31, "Ch 0000000b, engmask 00000120, intr 10000000"),
        told("0000:01:00", 94, "pid=7194, Contained: CE User Channel (0x9)"),
        told("0000:17:00", 43, "pid=9, name=NVRM: loading N, Ch 00000008"),
    ]
    assert sxids(lines) == [
        told("0000:05:00.0", 12028, "Non-fatal, Link 32 egress (First)"),
        told("0000:0a:00.0", 20034, "Fatal, Link 30 LTSSM Fault Up"),
    ]


def test_what_the_kernel_has_written_over_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a flood of errors, as when a GPU dies."""
    records: list[bytes | OSError] = [
        b"6,1,1,-;first\n SUBSYSTEM=pci\n", BrokenPipeError(), b"6,9,9,-;last\n", BlockingIOError()
    ]  # fmt: skip

    def read(handle: int, size: int) -> bytes:
        record = records.pop(0)
        if isinstance(record, OSError):
            raise record
        return record

    monkeypatch.setattr(log.os, "open", lambda *_: 7)
    monkeypatch.setattr(log.os, "close", lambda _: None)
    monkeypatch.setattr(log.os, "read", read)
    assert list(log.kernel_log()) == ["first", "last"]


@pytest.mark.parametrize(
    "loaded",
    [
        "NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  595.71.05  Release Build",
        "[ 101.5] NVRM: loading NVIDIA UNIX x86_64 Kernel Module  535.183.01",
    ],
)
def test_what_was_before_the_driver_was_loaded_anew_is_over(loaded: str) -> None:
    assert since_loaded([*LOG.splitlines(), loaded]) == []


def capability(kind: int, version_next: int, control: int) -> bytes:
    head = kind | version_next << 20 | 1 << 16
    return head.to_bytes(4, "little") + b"\0\0" + control.to_bytes(2, "little")


@pytest.mark.parametrize(
    ("control", "redirecting"), [(0x0000, False), (0x0011, False), (0x0004, True), (0x001D, True)]
)
def test_access_control_of_a_bridge(control: int, redirecting: bool) -> None:
    config = bytearray(4096)
    config[0x100:0x108] = capability(0x0001, 0x148, 0xFFFF)
    config[0x148:0x150] = capability(0x000D, 0, control)
    assert redirects(bytes(config)) is redirecting


def test_bridges_without_access_control() -> None:
    assert redirects(bytes(4096)) is False
    with pytest.raises(PermissionError, match="by root only"):
        redirects(bytes(64))


def test_secure_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operating_system, "EFI", tmp_path / "none")
    assert operating_system.secure_boot() is False
    monkeypatch.setattr(operating_system, "EFI", tmp_path)
    (tmp_path / "efivars").mkdir()
    for value in (0, 1):
        variable = tmp_path / "efivars" / operating_system.SECURE_BOOT
        variable.write_bytes(bytes([6, 0, 0, 0, value]))
        assert operating_system.secure_boot() is bool(value)


def test_a_glance_is_a_part_of_what_is_observed(observe: Observe) -> None:
    whole = observe(WHOLE)
    found = glance.main()
    assert found["gpus"] == [{key: gpu[key] for key in GLANCE} for gpu in whole["gpus"]]
    assert found["unavailable"] == {}
    observe(WHOLE.replace("[gpu 0]\n", "[gpu 0]\nHandle=!15\n").replace("PowerUsage=112606\n", ""))
    lost, other = glance.main()["gpus"]
    assert lost is None and other["power"]["draw_w"] is None
    observe("no profile at all")
    assert glance.main()["gpus"] == [] and "nvml" in glance.main()["unavailable"]


def test_which_gpus_are_where_is_what_the_probe_says_of_it(library: Path, tmp_path: Path) -> None:
    """With the quarantine, and of a host without a driver why there is none."""
    profile = PROFILES / "h200x2.profile"
    names = {"LD_LIBRARY_PATH": str(library.parent), "RACKWRIGHT_NVML_PROFILE": str(profile)}
    said = travelling.run("gpu_names", str(tmp_path), env=os.environ | names)
    told = json.loads(said.stdout)
    whole = run(folder=library.parent, profile=profile)["gpus"]
    assert told["gpus"] == [{key: gpu[key] for key in ("uuid", "pci_bus_id")} for gpu in whole]
    assert told["quarantine"] == {"there": False} and told["unavailable"] == {}
    bare = json.loads(travelling.run("gpu_names").stdout)
    assert bare["gpus"] == [] and "nvml" in bare["unavailable"] and "quarantine" not in bare
