"""What booting a host needs of this machine, all of it said at once when something is missing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from lab.errors import LabError
from lab.gpu_host import driver, pieces

COMMANDS = ("bash", "chroot", "env", "mount", "nsenter", "tar", "unshare", "xz")
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "uts")


def check(packed: pieces.Manifest, folder: Path, wanted: Iterable[str], gpus: bool) -> None:
    """Raise LabError naming everything that is missing, of the machine and of what was packed."""
    found = _machine() + (driver.missing() if gpus else []) + _pieces(packed, folder, wanted)
    if found:
        raise LabError("no host can be booted here:\n" + "\n".join(f"  - {one}" for one in found))


def _machine() -> list[str]:
    found = []
    if os.geteuid() != 0:
        found.append("root is needed, for namespaces and mounts")
    if absent := [name for name in COMMANDS if not shutil.which(name)]:
        found.append(f"commands that are not there: {', '.join(absent)}")
    if absent := [name for name in NAMESPACES if not Path("/proc/self/ns", name).exists()]:
        found.append(f"namespaces that the kernel lacks: {', '.join(absent)}")
    if not cgroup2():
        found.append("no cgroup v2 hierarchy is mounted: mount -t cgroup2 none /sys/fs/cgroup")
    elif not os.access(cgroup2() or "/", os.W_OK):
        found.append(f"{cgroup2()} cannot be written: the host needs a control group of its own")
    return found


def cgroup2() -> Path | None:
    """Where the unified hierarchy is mounted."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(target)
    return None


def _pieces(packed: pieces.Manifest, folder: Path, wanted: Iterable[str]) -> list[str]:
    found = []
    for prefix in wanted:
        stream = packed.streams[prefix]
        if absent := pieces.missing(stream, folder):
            of = f"{len(absent)} of {len(stream.pieces)}"
            found.append(f"{stream.about}: {of} pieces not whole in {folder}: {' '.join(absent)}")
    return found
