"""The NVIDIA driver answers, is the pinned one, and library and kernel module agree."""

from __future__ import annotations

from typing import Any

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER
from rackwright.checks.server.probed import Probed

_MISMATCH = "VersionMismatch"
"""NVML's error 18 by its name in nvidia-ml-py: Driver/library version mismatch."""
_REBOOT = (
    "reboot the host: an upgraded driver is used from then on; without a reboot, stop what uses "
    "the GPUs and load the module again (`modprobe --remove nvidia_uvm nvidia_drm nvidia_modeset "
    "nvidia`, then `modprobe --all nvidia nvidia_uvm`)"
)


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL where NVML does not answer, or is of another version than its module or the pin."""
    probed = Probed(seen)
    nvml = probed.seen.get("nvml")
    if "nvml" not in probed.seen:
        return Finding(Status.UNKNOWN, "was not observed", "run the deploy again")
    why = probed.reason("nvml") or "NVML does not answer"
    library = nvml.get("driver_version") if nvml else probed.seen.get("library_version")
    module = (probed.seen.get("os") or {}).get("nvidia_module_version")
    if (library and module and library != module) or (not nvml and _MISMATCH in why):
        return _two_versions(probed, library, module)
    if not nvml:
        remedy = "install the driver, or load its module: `nvidia-smi` on the host must answer"
        return Finding(Status.CRITICAL, why, remedy)
    if not library:
        why = probed.reason("nvml.driver_version") or "no version"
        return Finding(Status.UNKNOWN, why, "see nvidia-smi on the host")
    if planned.driver_version and not _is(library, planned.driver_version):
        evidence = f"{library}, {planned.driver_version} is pinned"
        remedy = "install the pinned driver and reboot, or pin the one that is there"
        return Finding(Status.CRITICAL, evidence, remedy)
    return Finding(Status.OK, f"{library}, CUDA {nvml.get('cuda_version')}")


def _two_versions(probed: Probed, library: Any, module: Any) -> Finding:
    """An upgrade whose module is not loaded yet: NVML refuses to start with the old one."""
    told = [
        f"{what} {version or f'of a version that could not be read ({probed.reason(path)})'}"
        for what, version, path in (
            ("library", library, "library_version"),
            ("loaded kernel module", module, "os.nvidia_module_version"),
        )
    ]
    why = probed.reason("nvml")
    evidence = f"driver and library are of different versions: {', '.join(told)}"
    return Finding(Status.CRITICAL, f"{evidence} ({why})" if why else evidence, _REBOOT)


def _is(version: str, pin: str) -> bool:
    """Whether a version is the pinned one, or of the pinned branch: 580 is every 580.x."""
    return f"{version}.".startswith(f"{pin}.")


CHECK = Check(
    name="driver",
    fine=(
        "it answers; its library and the loaded kernel module are of one version, the pinned one "
        "where there is a pin"
    ),
    judge=judge,
    healthy=SERVER,
    examples=(
        Example("no driver", Status.CRITICAL, {"nvml": None}),
        Example(
            "an upgraded driver whose module is not loaded",
            Status.CRITICAL,
            {"os.nvidia_module_version": "570.86.15"},
        ),
        Example(
            "a driver and its library of different versions",
            Status.CRITICAL,
            {
                "nvml": None,
                "unavailable": {"nvml": "NVMLError_LibRmVersionMismatch: Driver/library version"},
                "library_version": "580.178.04",
            },
        ),
        Example(
            "another driver than the pinned one", Status.CRITICAL, planned={"driver_version": "575"}
        ),
    ),
)
