"""The NVIDIA driver answers, is the pinned one, and library and kernel module agree."""

from __future__ import annotations

from rackwright.checks.results import CheckResult, PlannedServer, Status
from rackwright.checks.server.probed import Probed


def check(planned: PlannedServer, probed: Probed) -> CheckResult:
    """CRITICAL where NVML does not answer, or is of another version than its module or the pin."""
    nvml = probed.seen.get("nvml")
    if "nvml" not in probed.seen:
        return planned.says("driver", Status.UNKNOWN, "was not observed", "run the deploy again")
    if not nvml:
        why = probed.reason("nvml") or "NVML does not answer"
        remedy = "install the driver, or load its module: `nvidia-smi` on the host must answer"
        return planned.says("driver", Status.CRITICAL, why, remedy)
    library = nvml.get("driver_version")
    module = (probed.seen.get("os") or {}).get("nvidia_module_version")
    if library and module and library != module:
        evidence = f"library {library}, loaded kernel module {module}"
        remedy = "reboot the host: an upgraded driver is used from then on"
        return planned.says("driver", Status.CRITICAL, evidence, remedy)
    if not library:
        why = probed.reason("nvml.driver_version") or "no version"
        return planned.says("driver", Status.UNKNOWN, why, "see nvidia-smi on the host")
    if planned.driver_version and not _is(library, planned.driver_version):
        evidence = f"{library}, {planned.driver_version} is pinned"
        remedy = "install the pinned driver and reboot, or pin the one that is there"
        return planned.says("driver", Status.CRITICAL, evidence, remedy)
    return planned.says("driver", Status.OK, f"{library}, CUDA {nvml.get('cuda_version')}")


def _is(version: str, pin: str) -> bool:
    """Whether a version is the pinned one, or of the pinned branch: 580 is every 580.x."""
    return f"{version}.".startswith(f"{pin}.")
