"""What decides about a host's NVIDIA driver, fact by fact; see ``remote/driver.py``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rackwright.remote.host.archives import sources
from rackwright.remote.host.pci import DEVICES, redirecting_bridges
from rackwright.remote.host.processes import described
from rackwright.remote.nvidia.kernel_module import on_disk
from rackwright.remote.nvidia.kernels import kernels
from rackwright.remote.nvidia.packages import packages, runfile

MODULES = Path("/sys/module")
PCI = DEVICES
PROC = Path("/proc")
KERNELS = Path("/lib/modules")
FILESYSTEMS = ("/boot", "/usr", "/var")
NVIDIA = "0x10de"

Values = dict[str, Any]


def pci() -> list[Values]:
    """NVIDIA's devices on the bus."""
    return [_device(path) for path in sorted(PCI.iterdir()) if _text(path / "vendor") == NVIDIA]


def _text(path: Path) -> str:
    return path.read_text().strip()


def _device(path: Path) -> Values:
    """A device, with the bridges above it whose access control sends peers up to the CPU."""
    try:
        redirects: Any = redirecting_bridges(path)
    except OSError:
        redirects = None
    return {"address": path.name, "class": _text(path / "class")[2:6], "acs_redirects": redirects}


def headers() -> bool:
    """Whether those of the running kernel are there."""
    return (KERNELS / os.uname().release / "build").exists()


def is_open() -> bool | None:
    """Whether the loaded module is the open one; None where none is loaded."""
    if not (MODULES / "nvidia").exists():
        return None
    return "Open Kernel Module" in (PROC / "driver/nvidia/version").read_text()


def users() -> list[Values]:
    """Processes with an NVIDIA device open; those that end meanwhile are none."""
    pids = [int(path.name) for path in PROC.iterdir() if path.name.isdigit()]
    return [described(pid) for pid in sorted(pids) if any(_opened(pid))]


def _opened(pid: int) -> Iterator[bool]:
    try:
        for handle in (PROC / str(pid) / "fd").iterdir():
            yield str(handle.readlink()).startswith("/dev/nvidia")
    except OSError:
        return


def _free_bytes() -> dict[str, int]:
    return {place: shutil.disk_usage(place).free for place in FILESYSTEMS}


def boot_id() -> str:
    """It changes with every boot."""
    return _text(PROC / "sys/kernel/random/boot_id")


FACTS: dict[str, Callable[[], Any]] = {
    "pci": pci,
    "headers": headers,
    "on_disk": on_disk,
    "kernels": kernels,
    "open": is_open,
    "nouveau": lambda: (MODULES / "nouveau").exists(),
    "users": users,
    "packages": packages,
    "sources": sources,
    "runfile": runfile,
    "free_bytes": _free_bytes,
    "boot_id": boot_id,
}
