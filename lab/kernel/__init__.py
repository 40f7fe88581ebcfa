"""A stand-in for the kernel's side of a driver: headers to build for, and modules that load.

A container has the machine's kernel: there are no headers for it, and it may load nothing. On hosts
that ask for it, an archive has headers of the running kernel (``lab/apt/kernel.control``), by which
DKMS really builds the stand-in module of ``lab/apt``; ``modprobe`` then writes what a kernel shows
of a loaded module (``/sys/module``, ``/proc/driver``, ``/dev``), and makes NVML answer for the
host's GPUs, which ``hardware`` puts on the PCI bus at boot. apt, DKMS, modinfo, systemd and the
reboot are real.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab.apt.repository import KERNEL_URL
from lab.shell import sh

HERE = Path(__file__).parent
UNIT = "lab-kernel.service"


PROGRAMS = "usr/local/lib/rackwright-lab"
PLACES = {
    "modprobe": "usr/local/sbin/modprobe",
    "nvml": f"{PROGRAMS}/nvml",
    "hardware": f"{PROGRAMS}/hardware",
    UNIT: f"etc/systemd/system/{UNIT}",
}


def install(root: Path, gpus: Path, *, nvswitch: bool) -> None:
    """Put the stand-in into a host's root; ``gpus`` is the profile of what NVML is to show."""
    for name, place in PLACES.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / name, root / place)
    wants = root / "etc/systemd/system/sysinit.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / UNIT).symlink_to(f"/etc/systemd/system/{UNIT}")
    _modules(root / "lib/modules" / os.uname().release)
    (root / "etc/rackwright-lab").mkdir(exist_ok=True)
    shutil.copy(gpus, root / "etc/rackwright-lab/gpus.profile")
    if nvswitch:
        (root / "etc/rackwright-lab/nvswitch").touch()
    source = f"deb [trusted=yes] {KERNEL_URL}/ /\n"
    (root / "etc/apt/sources.list.d/lab-kernel.list").write_text(source)


def _modules(folder: Path) -> None:
    """What a kernel's own package has there: DKMS takes a folder without modules for a leftover."""
    (folder / "kernel").mkdir(parents=True)
    sh("gcc", "-c", "-x", "c", "/dev/null", "-o", str(folder / "kernel/imitated.ko"))
    (folder / "modules.dep").write_text("kernel/imitated.ko:\n")
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        (folder / name).touch()
