"""What the system says of units, of who listens, of limits, and of the room on disks."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Values = dict[str, Any]
UNIT_PROPERTIES = (
    "LoadState,ActiveState,SubState,MainPID,NRestarts,Result,ControlGroup,LimitNOFILE,"
    "ActiveEnterTimestampMonotonic,ExecMainStartTimestampMonotonic,NeedDaemonReload"
)
OPEN_FILES = re.compile(r"^Max open files\s+(\S+)\s+(\S+)", re.MULTILINE)


def unit(name: str) -> dict[str, str]:
    """What systemd says of a unit; nothing where it cannot be asked."""
    argv = ["systemctl", "show", "--property", UNIT_PROPERTIES, name]
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def listeners(port: int) -> list[Values]:
    """Every process that listens on a TCP port, from /proc: more than one can (SO_REUSEPORT).

    Each with pid, command, control groups, start (seconds after boot) and local addresses.
    """
    listening, found = _listening(port), []
    for entry in Path("/proc").glob("[0-9]*") if listening else ():
        inodes = listening.keys() & _sockets(entry)
        process = _process(entry) if inodes else None
        if process:
            found.append({**process, "addresses": sorted({listening[one] for one in inodes})})
    return found


def _listening(port: int) -> dict[str, str]:
    """Inode to local address (hex) of the sockets that listen on the port (state 0A, proc(5))."""
    found = {}
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        rows = [line.split() for line in lines]
        at = f":{port:04X}"
        found.update({row[9]: row[1] for row in rows if row[3] == "0A" and row[1].endswith(at)})
    return found


def _sockets(entry: Path) -> set[str]:
    try:
        links = [_target(handle) for handle in (entry / "fd").iterdir()]
    except OSError:
        return set()
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def _target(handle: Path) -> str:
    """What an open file is; a busy process has closed it by the time it is asked for."""
    try:
        return str(handle.readlink())
    except OSError:
        return ""


def _process(entry: Path) -> Values | None:
    try:
        command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        groups = (entry / "cgroup").read_text()
        ticks = int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[19])
    except OSError:
        return None
    return {
        "pid": int(entry.name),
        "command": command.strip()[:200],
        "cgroups": sorted({line.split(":", 2)[2] for line in groups.splitlines()}),
        "started_s": ticks / os.sysconf("SC_CLK_TCK"),
    }


def open_files(pid: int) -> Values | None:
    """``soft`` and ``hard`` limit of a process's open files, and how many it has; None for none."""
    try:
        limits = OPEN_FILES.search(Path(f"/proc/{pid}/limits").read_text())
        used = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return None
    return {"soft": limits[1], "hard": limits[2], "used": used} if limits else None


def disks(paths: Sequence[str]) -> dict[str, Values]:
    """The file system of each folder, or of the nearest above it that is there.

    ``device`` tells which are the same; ``free_bytes`` is what others than root can still write.
    """
    return {path: _disk(Path(path)) for path in paths}


def _disk(folder: Path) -> Values:
    there = next(each for each in (folder, *folder.parents) if each.exists())
    try:
        seen = os.statvfs(there)
        return {
            "device": there.stat().st_dev,
            "free_bytes": seen.f_bavail * seen.f_frsize,
            "total_bytes": seen.f_blocks * seen.f_frsize,
        }
    except OSError as error:
        return {"error": f"{there}: {error}"}
