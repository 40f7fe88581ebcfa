"""A cgroup of its own for each lab host.

nspawn with ``--keep-unit`` makes its ``payload`` group below the caller's; two hosts started from
one shell would share it, and the systemd of each would see the other's processes in its units.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

from lab.errors import LabError

TOP = "rackwright-lab"


def hierarchies() -> list[Path]:
    """Mount points of the hierarchies that systemd uses here: named v1, unified v2, or both."""
    found = []
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, target, kind, options, *_ = line.split()
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(target))
    return found


def create(name: str) -> list[Path]:
    """Make the group of one host in each hierarchy."""
    groups = [top / TOP / name for top in hierarchies()]
    for group in groups:
        group.mkdir(parents=True, exist_ok=True)
    return groups


def enter(groups: list[Path]) -> None:
    """Move the calling process into the groups (run between fork and exec)."""
    for group in groups:
        (group / "cgroup.procs").write_text(str(os.getpid()))


def members(name: str) -> set[int]:
    """Processes of one host: the groups are the lab's own, so nobody else's are in them."""
    files = [file for top in hierarchies() for file in (top / TOP / name).rglob("cgroup.procs")]
    return {int(pid) for file in files for pid in file.read_text().split()}


def kill(name: str, timeout_s: float = 120) -> None:
    """End what is left of one host. A host outlives its nspawn when that is killed."""
    deadline = time.monotonic() + timeout_s
    while (left := members(name)) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    if left:
        raise LabError(f"processes of {name} cannot be ended: {sorted(left)}")


def remove(name: str = "") -> None:
    """Remove the (empty) groups of one host, or of the lab when no name is given."""
    for top in hierarchies():
        for path, _, _ in os.walk(top / TOP / name, topdown=False):
            Path(path).rmdir()
