"""The kernel that boots next has the driver's module: else the GPUs are gone with the reboot."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, part_of
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import KERNEL, SERVER, kernel
from rackwright.checks.server.kernels import Kernels, lost
from rackwright.checks.server.probed import DRIVER_ANSWERS, Probed

_NEWER = "6.8.0-101-generic"
_TOLD = {"headers": False, "module": "", "dkms": False}


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """WARN where the newest kernel of /boot, or the next that comes, has no module that fits."""
    if seen.get("kernels") is None:
        why = Probed(seen).reason("kernels") or "it was not observed"
        evidence = f"what boots next could not be read ({why})"
        return Finding(Status.UNKNOWN, evidence, "see `ls /boot` and `dkms status` on the host")
    kernels, running = Kernels.of(seen["kernels"]), str(part_of(seen, "os").get("kernel"))
    boots = kernels.next_boot(running)
    if boots is None:
        told = f"GRUB is told to boot {kernels.grub_default}" if kernels.grub_default else ""
        why = told or f"kernel {running} is not one of /boot"
        return Finding(Status.OK, f"{why}: nothing is predicted")
    loaded = part_of(seen, "os").get("nvidia_module_version")
    library = part_of(seen, "nvml").get("driver_version") or loaded
    if trouble := lost(kernels, running, str(library)):
        return Finding(Status.WARN, *trouble)
    return Finding(Status.OK, f"kernel {boots.release} has module {boots.module}")


CHECK = Check(
    name="next boot",
    fine=(
        "the newest kernel of /boot has the driver's module, and where modules are built, headers "
        "come along with new kernels"
    ),
    judge=judge,
    healthy=SERVER,
    applies=DRIVER_ANSWERS,
    examples=(
        Example(
            "a newer kernel without headers, and so without the driver's module",
            Status.WARN,
            {"kernels.installed": [kernel(), {"release": _NEWER, **_TOLD}]},
        ),
        Example(
            "a newer kernel with the module of another version",
            Status.WARN,
            {"kernels.installed": [kernel(), {**kernel(), "release": _NEWER, "module": "570.1"}]},
        ),
        Example(
            "kernels that come without their headers",
            Status.WARN,
            {"kernels.packages": ["linux-image-generic", f"linux-headers-{KERNEL}"]},
        ),
        Example(
            "a module that was removed from the running kernel",
            Status.WARN,
            {"kernels.installed": [{"release": KERNEL, **_TOLD}]},
        ),
        Example("kernels that cannot be read", Status.UNKNOWN, {"kernels": None}),
    ),
)
