"""Names of packages: by archive, distribution, branch and kind of kernel module.

Looked up in NVIDIA's Driver Installation Guide (compute-only installation, version locking, Ubuntu
590 and later packages), in the package indexes of Ubuntu and Debian, and in listings of NVIDIA's
repository. What a repository lacks is found out before anything is changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from rackwright.catalog.drivers import Branch

HEADERS = "linux-headers-"
COMPILER = ("gcc", "make")
"""What DKMS builds with; on Debian 13 it brings no compiler along."""
PINNING = "nvidia-driver-pinning-"


@dataclass(frozen=True)
class Wanted:
    """What to install. ``exact`` have the driver's version; ``others`` their own."""

    exact: tuple[str, ...]
    others: tuple[str, ...] = ()


def headers(kernel: str) -> str:
    """Headers of a kernel, in Debian's and Ubuntu's naming."""
    return f"{HEADERS}{kernel}"


def pinning(version: str) -> str:
    """NVIDIA's package that keeps apt at one driver version."""
    return f"{PINNING}{version}"


def driver(archive: str, branch: Branch, modules: str, kernel: str) -> Wanted:
    """Kernel modules, CUDA's library, nvidia-smi and the persistence daemon; nothing graphical.

    ``archive`` is nvidia-debian, nvidia-ubuntu, ubuntu or debian; ``modules`` open or proprietary.
    """
    is_open = modules == "open"
    if archive == "nvidia-debian":
        kernel_package = "nvidia-kernel-open-dkms" if is_open else "nvidia-kernel-dkms"
        return Wanted(("nvidia-driver-cuda", kernel_package, "nvidia-persistenced"))
    if archive == "nvidia-ubuntu":
        return _nvidia_for_ubuntu(branch, is_open)
    if archive == "ubuntu":
        server = f"{branch.number}-server"
        flavour = f"{server}-open" if is_open else server
        modules_package = f"linux-modules-nvidia-{flavour}-{kernel}"
        headless = f"nvidia-headless-no-dkms-{flavour}"
        utilities = (f"nvidia-compute-utils-{server}", f"nvidia-utils-{server}")
        return Wanted((headless, *utilities), (modules_package,))
    kernel_package = "nvidia-open-kernel-dkms" if is_open else "nvidia-kernel-dkms"
    exact = (kernel_package, "libcuda1", "libnvidia-ml1", "nvidia-smi")
    return Wanted(exact, ("nvidia-persistenced",))


def _nvidia_for_ubuntu(branch: Branch, is_open: bool) -> Wanted:
    tail = f"-{branch.number}" if branch.suffixed else ""
    dkms = f"nvidia-dkms{tail}-open" if is_open else f"nvidia-dkms{tail}"
    compute = (f"libnvidia-compute{tail}", f"libnvidia-cfg1{tail}")
    if not branch.suffixed:
        return Wanted((*compute, dkms, "nvidia-persistenced"))
    return Wanted((*compute, dkms, f"nvidia-compute-utils{tail}", f"nvidia-utils{tail}"))


def fabric(archive: str, branch: Branch, nvlink: int) -> Wanted:
    """Fabric manager; from NVLink 5 on with the subnet manager and what that needs."""
    if archive == "ubuntu":
        return Wanted((f"nvidia-fabricmanager-{branch.number}",))
    if nvlink < 5:
        return Wanted(("nvidia-fabricmanager",))
    return Wanted(("nvidia-fabricmanager", "libnvsdm"), ("nvlsm", "infiniband-diags"))


def toolkit(version: str) -> str:
    """The CUDA toolkit of a version, beside others; ``cuda`` itself would bring a driver."""
    return f"cuda-toolkit-{version.replace('.', '-')}"


def of_another_branch(name: str, branch: Branch) -> bool:
    """Whether a package's name carries the number of another branch."""
    parts = [int(part) for part in name.split("-") if part.isdigit() and len(part) == 3]
    return any(part != branch.number for part in parts)
