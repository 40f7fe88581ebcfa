"""The NVIDIA driver answers, is the pinned one, and library and kernel module agree."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER
from rackwright.checks.server.probed import Probed


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL where NVML does not answer, or is of another version than its module or the pin."""
    probed = Probed(seen)
    nvml = probed.seen.get("nvml")
    if "nvml" not in probed.seen:
        return Finding(Status.UNKNOWN, "was not observed", "run the deploy again")
    if not nvml:
        why = probed.reason("nvml") or "NVML does not answer"
        remedy = "install the driver, or load its module: `nvidia-smi` on the host must answer"
        return Finding(Status.CRITICAL, why, remedy)
    library = nvml.get("driver_version")
    module = (probed.seen.get("os") or {}).get("nvidia_module_version")
    if library and module and library != module:
        evidence = f"library {library}, loaded kernel module {module}"
        remedy = "reboot the host: an upgraded driver is used from then on"
        return Finding(Status.CRITICAL, evidence, remedy)
    if not library:
        why = probed.reason("nvml.driver_version") or "no version"
        return Finding(Status.UNKNOWN, why, "see nvidia-smi on the host")
    if planned.driver_version and not _is(library, planned.driver_version):
        evidence = f"{library}, {planned.driver_version} is pinned"
        remedy = "install the pinned driver and reboot, or pin the one that is there"
        return Finding(Status.CRITICAL, evidence, remedy)
    return Finding(Status.OK, f"{library}, CUDA {nvml.get('cuda_version')}")


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
            "another driver than the pinned one", Status.CRITICAL, planned={"driver_version": "575"}
        ),
    ),
)
