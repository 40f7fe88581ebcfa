"""Who listens on a TCP port."""

from __future__ import annotations

from typing import Any

from rackwright.remote.await_ready import listening_sockets, sockets_of
from rackwright.remote.host.processes import all_pids, cgroups_of, command_of, parent_and_start_s

MOST_COMMAND = 200

Values = dict[str, Any]


def listeners(port: int) -> list[Values]:
    """Every process that listens on a TCP port, from /proc: more than one can (SO_REUSEPORT).

    Each with pid, command, control groups, start (seconds after boot) and local addresses.
    """
    listening, found = listening_sockets(port), []
    for pid in all_pids() if listening else ():
        inodes = listening.keys() & sockets_of(pid)
        process = _process(pid) if inodes else None
        if process:
            found.append({**process, "addresses": sorted({listening[one] for one in inodes})})
    return found


def _process(pid: int) -> Values | None:
    try:
        return {
            "pid": pid,
            "command": command_of(pid)[:MOST_COMMAND],
            "cgroups": cgroups_of(pid),
            "started_s": parent_and_start_s(pid)[1],
        }
    except OSError:
        return None
