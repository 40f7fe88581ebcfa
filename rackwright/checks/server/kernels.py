"""Kernels that a host may boot next, as ``remote/nvidia/kernels.py`` tells of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from rackwright.checks.observed import Observation

FOLLOWS = re.compile(r"linux-image-(?!unsigned-|[0-9])\S+(?<!-dbg)(?<!-template)")
"""A package that brings each new kernel: linux-image-amd64, linux-image-generic-hwe-24.04."""
FLAVOUR = re.compile(r"-[a-z].*")
HEADERS = "linux-headers-"


class Kernel(NamedTuple):
    """A kernel in /boot, and the version of the driver's module that it would load, "" for none.

    ``dkms`` says that the module was built on the host.
    """

    release: str
    headers: bool
    module: str
    dkms: bool


@dataclass(frozen=True)
class Kernels:
    """The kernels of a host, and its packages of kernels, headers and prebuilt modules.

    ``grub_default`` is the entry that GRUB is told to boot, "" for its first.
    """

    installed: tuple[Kernel, ...]
    packages: frozenset[str]
    grub_default: str = ""

    @classmethod
    def of(cls, seen: Observation | None) -> Kernels:
        """As observed. Raises KeyError, TypeError or ValueError for what is garbled."""
        if not isinstance(seen, Mapping) or not isinstance(seen["packages"], list):
            raise TypeError("kernels are no mapping with packages")
        installed, packages = map(_kernel, seen["installed"]), map(str, seen["packages"])
        return cls(tuple(installed), frozenset(packages), str(seen["grub_default"]))

    def next_boot(self, running: str) -> Kernel | None:
        """The newest, as GRUB of Debian and Ubuntu takes it, of equals the running one; or the one
        that GRUB is told to take.

        None where nobody here knows: the running kernel is not of /boot, or the entry names none.
        """
        if running not in {kernel.release for kernel in self.installed}:
            return None
        if self.grub_default:
            named = (each for each in self.installed if each.release in self.grub_default)
            return max(named, key=lambda each: len(each.release), default=None)
        return max(self.installed, key=lambda each: (_order(each), each.release == running))

    @property
    def builds(self) -> bool:
        """Whether modules are built on the host."""
        return any(kernel.dkms for kernel in self.installed)

    @property
    def headers_left_out(self) -> tuple[str, ...]:
        """Packages that would bring the headers of each new kernel, and are not there."""
        bring = (name for name in sorted(self.packages) if FOLLOWS.fullmatch(name))
        names = (name.replace("image", "headers", 1) for name in bring)
        return tuple(name for name in names if not self.packages & {name, _of_generic(name)})


def _of_generic(name: str) -> str:
    """The name that means the same: Ubuntu's kernels for virtual machines are generic ones."""
    return re.sub(r"\bvirtual(?=-hwe-|$)", "generic", name)


def _kernel(seen: Any) -> Kernel:
    kernel = Kernel(seen["release"], seen["headers"], seen["module"], seen["dkms"])
    if [type(each) for each in kernel] != [str, bool, str, bool]:
        raise TypeError(f"a kernel is garbled: {seen!r}"[:200])
    return kernel


def _order(kernel: Kernel) -> list[int]:
    """Numbers of a release to compare by, without its flavour: 6.8.0-45-generic is 6, 8, 0, 45."""
    return [int(number) for number in re.findall(r"\d+", FLAVOUR.sub("", kernel.release))]


def lost(kernels: Kernels, running: str, version: str) -> tuple[str, str] | None:
    """How the next boot loses the driver of this ``version``, and what to do; None for well."""
    kernel = kernels.next_boot(running)
    if kernel is None or kernel.module == version:
        return _later(kernels) if kernel else None
    remedy = _remedy(kernels, kernel, running)
    if kernel.module:
        words = f"module {kernel.module} for a library of {version}"
        return f"the next boot takes kernel {kernel.release}, and {words}", remedy
    why = "" if kernel.headers or not kernels.builds else ": its headers are not there"
    words = f"kernel {kernel.release}, for which there is no NVIDIA module{why}"
    return f"the next boot takes {words}", remedy


def _later(kernels: Kernels) -> tuple[str, str] | None:
    """A kernel that an upgrade brings comes without headers, and so without a module."""
    names = kernels.headers_left_out
    if not names or not kernels.builds:
        return None
    words = f"an upgrade of the kernel comes without its headers ({', '.join(names)})"
    return (
        f"{words}: the boot after it has no NVIDIA module",
        f"`apt-get install {' '.join(names)}`",
    )


def _remedy(kernels: Kernels, kernel: Kernel, running: str) -> str:
    prebuilt = [
        name.replace(running, kernel.release)
        for name in sorted(kernels.packages)
        if name.startswith("linux-modules-nvidia-") and name.endswith(running)
    ]
    if prebuilt and kernel.release != running:
        return f"`apt-get install {' '.join(prebuilt)}` before the next reboot"
    if kernels.builds and not kernel.headers:
        names = " ".join([f"{HEADERS}{kernel.release}", *kernels.headers_left_out])
        return f"`apt-get install {names}` before the next reboot: DKMS then builds the module"
    return f"`dkms autoinstall -k {kernel.release}` builds the module, or says why it cannot"
