"""What of the host's system would stand in the way: release, Secure Boot, kernel, space, users."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.catalog.drivers import numbers
from rackwright.checks.results import Status
from rackwright.checks.server.kernels import lost
from rackwright.driver import packages
from rackwright.driver.facts import Process, Unknown
from rackwright.driver.plan import DriverPlan
from rackwright.driver.preflight.situation import Situation, Trouble

GIB = 1024**3
BOOT_BYTES = GIB // 4
VAR_BYTES = 3 * GIB
USR_BYTES = 2 * GIB
TOOLKIT_BYTES = 8 * GIB
"""Room for one more boot image with the modules in it; for packages and a DKMS build; for the
driver installed; for a toolkit installed, half of which is its packages while they are unpacked."""
DAEMONS = frozenset(
    ("nvidia-persistenced.service", "nvidia-fabricmanager.service", "nvidia-dcgm.service")
)


def distribution(situation: Situation) -> Iterator[Trouble]:
    """Packages are known for the host's release and architecture."""
    if isinstance(situation.undecided, Unknown):
        raise situation.undecided
    if situation.undecided:
        remedy = (
            "supported: Ubuntu 22.04 and 24.04, Debian 12 and 13, on x86_64 and arm64; elsewhere "
            "install the driver yourself and set driver_source to none"
        )
        yield Trouble(str(situation.undecided), remedy)


def secure_boot(situation: Situation) -> Iterator[Trouble]:
    """A module built on the host is signed by no key the firmware knows."""
    plan = situation.installing
    if plan and plan.builds and situation.facts.secure_boot:
        ubuntu = plan.distribution.startswith("ubuntu")
        signed = "set driver_source to ubuntu (Canonical's signed modules), or " if ubuntu else ""
        yield Trouble(
            "Secure Boot is on, and the module would be built on the host (DKMS): the kernel would "
            "refuse to load it",
            f"{signed}turn Secure Boot off in the firmware, or enrol DKMS's key at the console "
            "(`mokutil --import`) and accept this prediction",
        )


def kernel_headers(situation: Situation) -> Iterator[Trouble]:
    """The module is built against the running kernel's headers."""
    plan = situation.installing
    if not plan or not plan.builds or situation.facts.headers or situation.offers is None:
        return
    name = packages.headers(situation.facts.kernel)
    if not situation.offers.versions(name):
        yield Trouble(
            f"the headers of the running kernel are not there, and no archive of the host has "
            f"{name}",
            "update the kernel and reboot into it (`apt-get dist-upgrade`), then run this again; "
            "for a kernel of your own, install its headers",
        )


def kernel_version(situation: Situation) -> Iterator[Trouble]:
    """A driver is older than the kernels that come after it."""
    plan = situation.installing
    if not plan or not plan.builds:
        return
    newest = plan.branch.newest_kernel(plan.version)
    if newest is None:
        return
    if numbers(situation.facts.kernel)[:2] > numbers(newest)[:2]:
        yield Trouble(
            f"driver {plan.version} is known to build on Linux {newest} and older, the host "
            f"runs {situation.facts.kernel}",
            "pin a newer driver_version, or boot an older kernel",
        )


def next_boot(situation: Situation) -> Iterator[Trouble]:
    """A kernel that was upgraded, and for which there is no module, boots without the driver.

    CRITICAL where this run boots it.
    """
    plan, facts = situation.plan, situation.facts
    if plan and situation.installing:
        yield from _boots_without(situation, plan)
    elif (plan or situation.provided) and facts.module_version:
        version = plan.version if plan else facts.module_version
        if trouble := lost(facts.kernels, facts.kernel, version):
            yield Trouble(*trouble, Status.WARN)


def _boots_without(situation: Situation, plan: DriverPlan) -> Iterator[Trouble]:
    """What this run installs is for the running kernel, and for the next where it has headers."""
    running = situation.facts.kernel
    kernel = situation.facts.kernels.next_boot(running)
    if kernel is None or kernel.release == running or kernel.module == plan.version:
        return
    reboots = situation.interrupts and situation.settings.reboot == "if-needed"
    status = Status.CRITICAL if reboots else Status.WARN
    words = f"the next boot takes kernel {kernel.release}, and"
    first = f"reboot into {kernel.release} first, then run this again"
    if not plan.builds:
        yield Trouble(f"{words} the modules installed are those of {running}", first, status)
    elif not kernel.headers and situation.offers:
        name = packages.headers(kernel.release)
        if not situation.offers.versions(name):
            yield Trouble(f"{words} no archive of the host has {name}", first, status)


def module_in_use(situation: Situation) -> Iterator[Trouble]:
    """A driver that is replaced under a running process breaks the next one that starts."""
    if not situation.plan or not situation.interrupts or situation.facts.module_version is None:
        return
    allowed = situation.settings.reboot == "if-needed"
    ours = situation.our_units if allowed else None
    others = [process for process in situation.facts.users if not _goes_down(process, ours)]
    if others:
        shown = ", ".join(f"{p.pid} ({p.command[:40]})" for p in others[:4])
        more = f" and {len(others) - 4} more" if others[4:] else ""
        yield Trouble(
            f"processes use the GPUs: {shown}{more}",
            "stop them; planned replicas are stopped and started by the run itself where reboot "
            "is if-needed",
        )


def _goes_down(process: Process, our_units: frozenset[str] | None) -> bool:
    return bool(process.units & (DAEMONS | (our_units or frozenset())))


def space(situation: Situation) -> Iterator[Trouble]:
    """Boot images, packages and the build of the module need room."""
    if not situation.installing:
        return
    toolkits = len(situation.settings.cuda_toolkit)
    for place, needed in (
        ("/boot", BOOT_BYTES),
        ("/var", VAR_BYTES + toolkits * TOOLKIT_BYTES // 2),
        ("/usr", USR_BYTES + toolkits * TOOLKIT_BYTES),
    ):
        free = situation.facts.free_bytes(place)
        if free < needed:
            yield Trouble(
                f"{place} has {free / GIB:.1f} GiB free, {needed / GIB:.1f} GiB are needed",
                "remove old kernels (`apt-get autoremove --purge`)"
                if place == "/boot"
                else "make room (`apt-get clean`, logs, old images)",
            )
