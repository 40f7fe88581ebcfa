"""Processes, as /proc shows them (proc(5)); any may end while it is looked at."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

PROC = Path("/proc")
MOST_COMMAND, MOST_WORDS = 120, 4096
OPEN_FILES = re.compile(r"^Max open files\s+(\S+)\s+(\S+)", re.MULTILINE)

Values = dict[str, Any]


def all_pids() -> list[int]:
    """Of every process that there is now."""
    return [int(name) for name in os.listdir(PROC) if name.isdigit()]  # noqa: PTH208  # half the time


def runs(name: str) -> bool:
    """Whether there is a process of this name (15 characters of it), started from a program."""
    for pid in all_pids():
        with suppress(OSError):
            if (PROC / str(pid) / "comm").read_text(errors="replace").rstrip("\n") == name[:15]:
                return True
    return False


def described(pid: int) -> Values:
    """Pid, command and control groups; null and none of one that is gone, or hidden."""
    try:
        command: str | None = command_of(pid)[:MOST_COMMAND] or None
    except OSError:
        command = None
    try:
        cgroups = cgroups_of(pid)
    except OSError:
        cgroups = []
    return {"pid": pid, "command": command, "cgroups": cgroups}


def command_of(pid: int) -> str:
    """Its command line, the beginning of a long one. Raises OSError for one that is gone."""
    with (PROC / str(pid) / "cmdline").open("rb") as words:
        return words.read(MOST_WORDS).replace(b"\0", b" ").decode(errors="replace").strip()


def cgroups_of(pid: int) -> list[str]:
    """Its control groups. Raises OSError for one that is gone."""
    lines = (PROC / str(pid) / "cgroup").read_text().splitlines()
    return sorted({line.split(":", 2)[2] for line in lines})


def parent_and_start_s(pid: int) -> tuple[int, float]:
    """Its parent, and the seconds after boot at which it was started. OSError for one gone."""
    text = (PROC / str(pid) / "stat").read_text(errors="replace")
    fields = text.rpartition(")")[2].split()  # from field 3 on: its name may hold anything
    return int(fields[1]), int(fields[19]) / os.sysconf("SC_CLK_TCK")


def open_files(pid: int) -> Values | None:
    """``soft`` and ``hard`` limit of a process's open files, and how many it has; None for none."""
    try:
        limits = OPEN_FILES.search((PROC / str(pid) / "limits").read_text())
        used = sum(1 for _ in (PROC / str(pid) / "fd").iterdir())
    except OSError:
        return None
    return {"soft": limits[1], "hard": limits[2], "used": used} if limits else None


def uptime_s() -> float:
    """Seconds since boot."""
    return float((PROC / "uptime").read_text().split()[0])
