#!/usr/bin/python3
"""await-ready ADDRESS PORT PATH TIMEOUT_S [elsewhere]: wait until this unit's own process serves.

Run by systemd as ExecStartPost. An answer on the port proves nothing by itself: a stale server may
hold it, or share it (SO_REUSEPORT). So the listening socket must belong to the unit's main process
or one of its children, and no other socket may listen on the same address. A later rank of a
replica over several servers asks rank 0, elsewhere.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

HOST = "localhost"
"""What an engine is called in requests: Ollama on a loopback address refuses other names."""


def children_of(pid: int) -> set[int]:
    """The process and all below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    found: set[int] = set()
    todo = [pid]
    while todo:
        one = todo.pop()
        found.add(one)
        todo += parents.get(one, [])
    return found


def listening_sockets(port: int) -> dict[str, str]:
    """Inode to local address (hex) of the sockets that listen on the port (state 0A, proc(5))."""
    found = {}
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        rows = [line.split() for line in lines if " 0A " in line]  # a busy host has thousands
        at = f":{port:04X}"
        found.update({row[9]: row[1] for row in rows if row[3] == "0A" and row[1].endswith(at)})
    return found


def sockets_of(pid: int) -> set[str]:
    """Inodes of the sockets a process has open; empty where that may not be seen."""
    try:
        links = [_target(handle) for handle in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return set()
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def _target(handle: Path) -> str:
    """What an open file is; a busy process has closed it by the time it is asked for."""
    try:
        return str(handle.readlink())
    except OSError:
        return ""


def is_ours(main_pid: int, port: int) -> bool:
    """Whether the unit listens on the port itself, and nobody else on the same address."""
    listening = listening_sockets(port)
    ours: set[str] = set()
    for pid in children_of(main_pid):
        ours |= listening.keys() & sockets_of(pid)
    theirs = {address for inode, address in listening.items() if inode not in ours}
    return bool(ours) and not any(listening[inode] in theirs for inode in ours)


def answers(address: str, port: int, path: str) -> bool:
    """Whether a GET is answered with 200; where an answer leads to is not followed."""
    from http.client import HTTPConnection, HTTPException  # others have of this file what is quick

    connection = HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": HOST})
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def main() -> None:
    """Exit 0 once ready, 1 when the main process is gone or the time is up."""
    address, port, path, timeout_s, *elsewhere = sys.argv[1:]
    main_pid = int(os.environ["MAINPID"])
    deadline = time.monotonic() + float(timeout_s)
    while time.monotonic() < deadline:
        if not Path(f"/proc/{main_pid}").exists():
            sys.exit("the engine ended before it was ready")
        ours = bool(elsewhere) or is_ours(main_pid, int(port))
        if ours and answers(address, int(port), path):
            return
        time.sleep(0.5)
    sys.exit(f"not ready within {timeout_s} s")


if __name__ == "__main__":
    main()
