"""What the lab needs of this machine, all of it said at once when something is missing."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from lab.errors import LabError

COMMANDS = {
    "systemd-nspawn": "systemd-container",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "gcc": "gcc libc6-dev",
    "apt-ftparchive": "apt-utils",
    "gpg": "gnupg",
    "zstd": "zstd",
}


def missing() -> list[str]:
    """One sentence for each thing that keeps the lab from running here; empty when all is well."""
    found = []
    if platform.system() != "Linux":
        return ["the lab runs on Linux only"]
    if os.geteuid() != 0:
        found.append("root is needed to mount, to make a bridge and to start containers")
    absent = [package for command, package in COMMANDS.items() if not shutil.which(command)]
    if absent:
        found.append(f"missing packages: apt-get install {' '.join(sorted(set(absent)))}")
    if "avx2" not in _cpu_flags():
        found.append("the CPU has no AVX2, which the CPU builds of the engines are made for")
    if "overlay" not in Path("/proc/filesystems").read_text():
        found.append("the kernel has no overlay file system (modprobe overlay)")
    if _kernel() < (5, 10):
        found.append("the kernel is older than 5.10, whose overlays need not be written to disk")
    if not _has_cgroups():
        found.append("no cgroup hierarchy for systemd is mounted under /sys/fs/cgroup")
    return found


def _kernel() -> tuple[int, ...]:
    return tuple(map(int, platform.release().split("-")[0].split(".")[:2]))


def _cpu_flags() -> list[str]:
    return Path("/proc/cpuinfo").read_text().split()


def _has_cgroups() -> bool:
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return any(" /sys/fs/cgroup" in line and "cgroup" in line.split()[2] for line in mounts)


def check() -> None:
    """Raise LabError naming everything that is missing."""
    if found := missing():
        raise LabError("the lab cannot run here:\n" + "\n".join(f"  - {item}" for item in found))
