"""A connection to a replica, which gives an API key to the unit's own process alone.

Whoever is on the port answers: a stale server, or anybody while the engine is down.
"""

from __future__ import annotations

import socket
from collections.abc import Collection, Mapping
from http.client import HTTPConnection
from ipaddress import ip_address
from threading import Lock
from typing import Any

from rackwright.remote.await_ready import HOST, listening_sockets, sockets_of
from rackwright.remote.host.processes import all_pids, cgroups_of

KEPT_BACK = "the API key was not sent"

Values = dict[str, Any]


class EngineConnection(HTTPConnection):
    """To where a replica listens; a request with a key is sent to processes of its unit only."""

    def __init__(self, asked: Values, timeout_s: float) -> None:
        """``asked`` has ``address`` and ``port``, and the unit's ``control_group`` where known."""
        super().__init__(asked["address"], asked["port"], timeout=timeout_s)
        self._control_group = asked.get("control_group") or ""
        self._own: set[str] = set()

    def request(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Mapping[str, Any] = {},  # as the standard library has it
        *,
        encode_chunked: bool = False,
    ) -> None:
        """As ever, and by the Host that the gateway says too.

        Raises ConnectionError where the key would go to another process.
        """
        if "Authorization" in headers:
            self._connect_to_own()
        named = {"Host": HOST, **headers}
        super().request(method, url, body, named, encode_chunked=encode_chunked)

    def _connect_to_own(self) -> None:
        """Those that listened before and after have taken the connection: nobody in between."""
        before = listening_sockets(self.port)
        self.connect()
        peer = self.sock.getpeername()[0]
        now = listening_sockets(self.port)
        taking = {inode for inode, where in now.items() if takes(where, peer)}
        if not (taking and taking <= before.keys() and is_of(self._control_group, taking)):
            self.close()
            words = f"port {self.port} is not held by the unit's own process alone"
            raise ConnectionError(f"{words}: {KEPT_BACK}")


def takes(where: str, peer: str) -> bool:
    """Whether a socket that listens there (hex, as /proc/net/tcp has it) is asked at an address."""
    listens, asked = where.partition(":")[0], _hex(peer)
    return not listens.strip("0") or listens in (asked, f"{_MAPPED}{asked}")


_MAPPED = "0000000000000000FFFF0000"
"""Before an IPv4 address as one of IPv6."""


def _hex(address: str) -> str:
    """Words of four bytes, the lowest first, as the kernel of a little-endian machine has it."""
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET
    packed = socket.inet_pton(family, address)
    return "".join(packed[at : at + 4][::-1].hex() for at in range(0, len(packed), 4)).upper()


_known: dict[tuple[str, str], bool] = {}
"""Of a control group and a socket: who holds it does not change while it listens."""
_looking = Lock()
"""One look at all processes serves everybody who waits for it."""


def is_of(control_group: str, inodes: Collection[str]) -> bool:
    """Whether processes of a control group hold these sockets, and no others do.

    That nobody is seen to hold one may be of the moment: it is looked for again.
    """
    keys = [(control_group, inode) for inode in inodes]
    with _looking:
        if not all(key in _known for key in keys):
            holders = _holders(inodes)
            for key in keys:
                if groups := holders.get(key[1]):
                    _known[key] = all(is_in(control_group, one) for one in groups)
    return all(_known.get(key, False) for key in keys)


def _holders(inodes: Collection[str]) -> dict[str, list[list[str]]]:
    """Control groups of every process that has one of these sockets open."""
    found: dict[str, list[list[str]]] = {}
    for pid in all_pids():
        for inode in sockets_of(pid) & set(inodes):
            try:
                found.setdefault(inode, []).append(cgroups_of(pid))
            except OSError:
                continue
    return found


def is_in(control_group: str, groups: Collection[str]) -> bool:
    """Whether a process of these control groups is in one, or below it."""
    below = f"{control_group}/"
    return bool(control_group) and any(
        one == control_group or one.startswith(below) for one in groups
    )
