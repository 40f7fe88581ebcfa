"""Ports by which a host is reached over SSH, as they are on the host itself.

A router or a cloud may lead another port here, so what the inventory says is not enough.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from rackwright.remote.await_ready import sockets_of
from rackwright.remote.host.processes import PROC, all_pids, parent_and_start_s
from rackwright.remote.host.running import said_by

DAEMONS = ("sshd", "dropbear")
SYSTEMD = 1
"""It holds the sockets that it listens at for others; where it has none it need not be asked."""
SOCKETS = ("ssh.socket", "sshd.socket", "dropbear.socket")
CONNECTION = b"SSH_CONNECTION="


def ssh_ports() -> list[int]:
    """Those that SSH listens at, by itself or by systemd, and that of the connection we came by."""
    listening = _listening()
    sockets = _of_sockets() if listening.keys() & sockets_of(SYSTEMD) else set()
    return sorted({*_of_daemons(listening), *sockets, *_of_connection(os.getpid())})


def _of_daemons(listening: dict[str, int]) -> set[int]:
    inodes = {inode for pid in all_pids() if _name(pid) in DAEMONS for inode in sockets_of(pid)}
    return {port for inode, port in listening.items() if inode in inodes}


def _name(pid: int) -> str:
    with suppress(OSError):
        return (PROC / str(pid) / "comm").read_text(errors="replace").strip()
    return ""


def _listening() -> dict[str, int]:
    """Ports by inode of all sockets that listen (state 0A, proc(5))."""
    tables = [table for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")) if table.exists()]
    rows = [line.split() for table in tables for line in table.read_text().splitlines()[1:]]
    return {row[9]: int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A"}


def _of_sockets() -> set[int]:
    """systemd listens for sshd on newer Ubuntus: ``Listen=0.0.0.0:22 (Stream)``."""
    said = said_by("systemctl", "show", "--property", "ActiveState,Listen", *SOCKETS)
    active = [block for block in said.split("\n\n") if "ActiveState=active" in block]
    return {int(port) for block in active for port in re.findall(r":(\d+) \(Stream\)", block)}


def _of_connection(pid: int) -> set[int]:
    """By what sshd told the login shell; sudo keeps it from us, not from who called it."""
    while pid > 1:
        try:
            words = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
            pid = parent_and_start_s(pid)[0]
        except OSError:
            return set()
        for word in words:
            if word.startswith(CONNECTION) and word.split()[-1].isdigit():
                return {int(word.split()[-1])}
    return set()
