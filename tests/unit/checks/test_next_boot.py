"""What the next boot makes of the driver, by kernels and names of Debian and Ubuntu."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.checks.results import CheckResult, Status
from rackwright.checks.server.kernels import Kernels
from tests.samples.probes import results, seen

VERSION = "580.159.04"


def kernel(release: str, module: str = "", *, headers: bool = False, dkms: bool = True) -> Any:
    built = dkms and bool(module)
    return {"release": release, "headers": headers, "module": module, "dkms": built}


def said(running: str, *installed: Any, packages: tuple[str, ...] = ()) -> CheckResult:
    probe = seen()
    probe["os"] |= {"kernel": running, "nvidia_module_version": VERSION}
    probe["nvml"]["driver_version"] = VERSION
    probe["kernels"] = {
        "installed": list(installed),
        "packages": list(packages),
        "grub_default": "",
    }
    found = results(probe)
    assert {name for name, row in found.items() if row.status is not Status.OK} <= {"next boot"}
    return found["next boot"]


DEBIAN, NEWER = "6.1.0-41-amd64", "6.1.0-44-amd64"
UBUNTU, NEXT = "6.8.0-87-generic", "6.8.0-101-generic"
PREBUILT = "linux-modules-nvidia-580-server-open"
CASES: dict[str, tuple[CheckResult, str, str]] = {
    "Debian, headers left behind": (
        said(
            DEBIAN,
            kernel(DEBIAN, VERSION, headers=True),
            kernel(NEWER),
            packages=("linux-image-amd64", f"linux-headers-{DEBIAN}"),
        ),
        f"the next boot takes kernel {NEWER}, for which there is no NVIDIA module: its headers are "
        "not there",
        f"`apt-get install linux-headers-{NEWER} linux-headers-amd64` before the next reboot",
    ),
    "Ubuntu with kernels of hardware enablement": (
        said(
            UBUNTU,
            kernel(UBUNTU, VERSION, headers=True),
            kernel(NEXT),
            packages=("linux-image-generic-hwe-24.04",),
        ),
        f"the next boot takes kernel {NEXT}",
        f"`apt-get install linux-headers-{NEXT} linux-headers-generic-hwe-24.04`",
    ),
    "a module that did not build": (
        said(UBUNTU, kernel(UBUNTU, VERSION, headers=True), kernel(NEXT, headers=True)),
        f"the next boot takes kernel {NEXT}, for which there is no NVIDIA module",
        f"`dkms autoinstall -k {NEXT}`",
    ),
    "Canonical's modules of the running kernel alone": (
        said(
            UBUNTU,
            kernel(UBUNTU, VERSION, dkms=False),
            kernel(NEXT),
            packages=("linux-image-generic", "linux-headers-generic", f"{PREBUILT}-{UBUNTU}"),
        ),
        f"the next boot takes kernel {NEXT}, for which there is no NVIDIA module",
        f"`apt-get install {PREBUILT}-{NEXT}` before the next reboot",
    ),
    "a module of another version": (
        said(UBUNTU, kernel(UBUNTU, VERSION), kernel(NEXT, "570.86.15", headers=True)),
        f"kernel {NEXT}, and module 570.86.15 for a library of {VERSION}",
        f"`dkms autoinstall -k {NEXT}`",
    ),
    "a module that was removed": (
        said(UBUNTU, kernel(UBUNTU, headers=True)),
        f"the next boot takes kernel {UBUNTU}, for which there is no NVIDIA module",
        f"`dkms autoinstall -k {UBUNTU}`",
    ),
    "kernels to come": (
        said(
            DEBIAN,
            kernel(DEBIAN, VERSION, headers=True),
            packages=("linux-image-cloud-amd64", "linux-image-6.1.0-41-cloud-amd64"),
        ),
        "an upgrade of the kernel comes without its headers (linux-headers-cloud-amd64): the boot "
        "after it has no NVIDIA module",
        "`apt-get install linux-headers-cloud-amd64`",
    ),
}


@pytest.mark.parametrize(("row", "words", "remedy"), CASES.values(), ids=CASES)
def test_a_boot_that_loses_the_driver_is_predicted(
    row: CheckResult, words: str, remedy: str
) -> None:
    assert row.status is Status.WARN
    assert words in row.evidence and remedy in row.remedy


FINE: dict[str, tuple[CheckResult, str]] = {
    "a newer kernel that has the module": (
        said(UBUNTU, kernel(UBUNTU, VERSION), kernel(NEXT, VERSION)),
        f"kernel {NEXT} has module {VERSION}",
    ),
    "an older kernel without it": (
        said(UBUNTU, kernel(UBUNTU, VERSION), kernel("6.8.0-9-generic")),
        f"kernel {UBUNTU} has module",
    ),
    "headers that come along": (
        said(
            DEBIAN,
            kernel(DEBIAN, VERSION),
            packages=("linux-image-amd64", "linux-headers-amd64", "linux-image-amd64-dbg"),
        ),
        f"kernel {DEBIAN} has module",
    ),
    "Canonical's modules need no headers": (
        said(UBUNTU, kernel(UBUNTU, VERSION, dkms=False), packages=("linux-image-generic",)),
        f"kernel {UBUNTU} has module",
    ),
    "a virtual machine's kernels are generic ones": (
        said(
            UBUNTU,
            kernel(UBUNTU, VERSION),
            packages=("linux-image-virtual-hwe-24.04", "linux-headers-generic-hwe-24.04"),
        ),
        f"kernel {UBUNTU} has module",
    ),
    "a host that boots by other means": (
        said("6.18.44-fc", kernel(NEXT), packages=("linux-image-generic",)),
        "kernel 6.18.44-fc is not one of /boot",
    ),
    "no kernel at all": (said("6.18.44-fc"), "nothing is predicted"),
}


@pytest.mark.parametrize(("row", "words"), FINE.values(), ids=FINE)
def test_a_boot_that_keeps_it_is_fine(row: CheckResult, words: str) -> None:
    assert (row.status, row.remedy) == (Status.OK, "")
    assert words in row.evidence


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("6.8.0-9-generic", "6.8.0-101-generic"),
        ("5.15.0-1071-aws", "6.8.0-1021-aws"),
        ("6.12.57+deb13-amd64", "6.12.57+deb13.1-amd64"),
        ("6.1.0-44-cloud-amd64", "6.12.9+bpo-cloud-amd64"),
        ("5.14.0-427.el9.x86_64", "5.14.0-503.el9.x86_64"),
    ],
)
def test_the_newest_kernel_boots(older: str, newer: str) -> None:
    there = Kernels.of(
        {"installed": [kernel(newer), kernel(older)], "packages": [], "grub_default": ""}
    )
    for running in (older, newer):
        boots = there.next_boot(running)
        assert boots and boots.release == newer


@pytest.mark.parametrize(
    ("default", "boots"),
    [
        (f"gnulinux-advanced>gnulinux-{UBUNTU}-advanced", UBUNTU),
        (f"Advanced options for Ubuntu>Ubuntu, with Linux {NEXT}", NEXT),
        ("Advanced options for Ubuntu>Ubuntu, with Linux 6.8.0-8-generic", None),
        ("saved", None),
        ("1>2", None),
    ],
)
def test_grub_may_be_told_what_to_boot(default: str, boots: str | None) -> None:
    installed = [kernel(UBUNTU, VERSION), kernel(NEXT)]
    there = Kernels.of({"installed": installed, "packages": [], "grub_default": default})
    found = there.next_boot(UBUNTU)
    assert (found and found.release) == boots
    probe = seen()
    probe["os"] |= {"kernel": UBUNTU, "nvidia_module_version": VERSION}
    probe["kernels"] = {"installed": installed, "packages": [], "grub_default": default}
    row = results(probe)["next boot"]
    assert row.status is (Status.WARN if boots == NEXT else Status.OK)


def test_of_two_flavours_alike_the_running_one_boots() -> None:
    names = ("6.1.0-44-amd64", "6.1.0-44-cloud-amd64")
    there = Kernels.of(
        {"installed": [kernel(name) for name in names], "packages": [], "grub_default": ""}
    )
    for running in names:
        boots = there.next_boot(running)
        assert boots and boots.release == running


@pytest.mark.parametrize(
    "garbled",
    [
        {"installed": [], "packages": "linux"},
        {"installed": 3, "packages": [], "grub_default": ""},
        {"installed": [{"release": UBUNTU}], "packages": [], "grub_default": ""},
        {"installed": [{**kernel(UBUNTU), "headers": "yes"}], "packages": [], "grub_default": ""},
        {"packages": [], "grub_default": ""},
        {},
        "6.8",
    ],
)
def test_what_is_garbled_is_unknown(garbled: Any) -> None:
    probe = seen()
    probe["kernels"] = garbled
    assert results(probe)["next boot"].status is Status.UNKNOWN
