"""All TCP sockets that listen on a host, and whose each is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from rackwright.remote.await_ready import sockets_of
from rackwright.remote.host.processes import PROC, all_pids, cgroups_of, command_of

LISTENS = "0A"
"""The state, as proc(5) writes it."""
MOST_COMMAND = 80
WORD = 8
"""Hexadecimal digits of 32 bits: an address of IPv6 has four of them, each in the host's order."""

Values = dict[str, Any]


def listening() -> list[Values]:
    """Each with ``address``, ``port``, and ``pid``, ``command``, ``unit`` of one that has it open.

    These are null where nobody is seen to have it: the kernel's own, and those of containers.
    """
    found = dict(_sockets())
    owners = _owners(set(found))
    nobody = {"pid": None, "command": None, "unit": None}
    rows = [{**found[inode], **owners.get(inode, nobody)} for inode in found]
    return sorted(rows, key=lambda row: (row["port"], row["address"]))


def first_ephemeral() -> int:
    """From this port on the kernel gives them to whoever asks for any."""
    return int((PROC / "sys/net/ipv4/ip_local_port_range").read_text().split()[0])


def _sockets() -> Iterator[tuple[str, Values]]:
    for table in (PROC / "net/tcp", PROC / "net/tcp6"):
        lines = table.read_text().splitlines()[1:] if table.exists() else []
        for row in (line.split() for line in lines if f" {LISTENS} " in line):
            if row[3] == LISTENS:
                address, _, port = row[1].partition(":")
                yield row[9], {"address": _address(address), "port": int(port, 16)}


def _address(text: str) -> str:
    """As it is written in hexadecimal: ``0100007F`` is 127.0.0.1."""
    words = [bytes.fromhex(text[at : at + WORD])[::-1] for at in range(0, len(text), WORD)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, b"".join(words))


def _owners(inodes: set[str]) -> dict[str, Values]:
    """The first process that has each open: a child has those of its parent too."""
    found: dict[str, Values] = {}
    for pid in sorted(all_pids()):
        with suppress(OSError):
            for inode in sockets_of(pid) & (inodes - set(found)):
                found[inode] = _process(pid)
    return found


def _process(pid: int) -> Values:
    names = (name for group in cgroups_of(pid) for name in reversed(Path(group).parts))
    unit = next((name for name in names if name.endswith((".service", ".scope"))), None)
    return {"pid": pid, "command": command_of(pid)[:MOST_COMMAND], "unit": unit}
