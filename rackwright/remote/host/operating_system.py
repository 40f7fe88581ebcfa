"""What a host's operating system is."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

EFI = Path("/sys/firmware/efi")
SECURE_BOOT = "SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
SYSFS_VERSION = Path("/sys/module/nvidia/version")
PROC_VERSION = Path("/proc/driver/nvidia/version")
IN_PROC = re.compile(r"^NVRM version:.*?Kernel Module.*?\s(\d+\.[\d.]*\d)\s", re.MULTILINE)
IOMMU_GROUPS = Path("/sys/kernel/iommu_groups")


def os_release() -> dict[str, str]:
    """What the distribution says of itself (os-release(5))."""
    lines = Path("/etc/os-release").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def secure_boot() -> bool:
    """The variable's value follows four bytes of attributes; firmware without EFI has none."""
    if not EFI.exists():
        return False
    return (EFI / "efivars" / SECURE_BOOT).read_bytes()[4] == 1


def nvidia_module_version() -> str:
    """Of the kernel module that is loaded. FileNotFoundError where none is."""
    if SYSFS_VERSION.exists():
        return SYSFS_VERSION.read_text().strip()
    found = IN_PROC.search(PROC_VERSION.read_text())
    if found is None:
        raise ValueError(f"{PROC_VERSION} has no version")
    return found[1]


def memory_total_bytes() -> int:
    """All that the kernel has."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:"))


OPERATING_SYSTEM: dict[str, Any] = {
    "hostname": lambda: os.uname().nodename,
    "kernel": lambda: os.uname().release,
    "architecture": lambda: os.uname().machine,
    "id": lambda: os_release()["ID"],
    "version_id": lambda: os_release()["VERSION_ID"],
    "cpu_count": os.cpu_count,
    "memory_total_bytes": memory_total_bytes,
    "secure_boot": secure_boot,
    "iommu": lambda: sorted({path.read_text().strip() for path in IOMMU_GROUPS.glob("*/type")}),
    "nvidia_module_version": nvidia_module_version,
}
"""The questions about the operating system, asked with nothing."""
