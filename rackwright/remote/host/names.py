"""Host names, looked up as every program of the host does, and the name servers it asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESOLV_CONF = Path("/etc/resolv.conf")

Values = dict[str, Any]


def looked_up(names: Sequence[str]) -> dict[str, Values]:
    """Each name's ``addresses``: those of IPv4, or of IPv6 where it has no others; or ``error``."""
    if not names:
        return {}
    from concurrent.futures import ThreadPoolExecutor  # most hosts are declared by address

    with ThreadPoolExecutor(max_workers=16) as side_by_side:  # a dead name server takes 10 s a name
        return dict(zip(names, side_by_side.map(_addresses, names)))


def _addresses(name: str) -> Values:
    said = all_addresses(name)
    if "error" in said:
        return said
    return {"addresses": [one for one in said["addresses"] if ":" not in one] or said["addresses"]}


def all_addresses(name: str) -> Values:
    """The ``addresses`` of a name, those of IPv4 and of IPv6; or ``error``."""
    import socket  # slow to load, and of names alone

    families = (socket.AF_INET, socket.AF_INET6)
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return {"error": getattr(error, "strerror", None) or str(error)}
    return {"addresses": sorted({str(one[4][0]) for one in found if one[0] in families})}


def nameservers() -> list[str]:
    """Those of resolv.conf(5) in their order, as Nginx takes them: IPv6 in brackets.

    Nginx has no scopes (``fe80::1%eth0``), so such a server is left out.
    """
    try:
        lines = RESOLV_CONF.read_text(errors="replace").splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    named = [line[1] for line in words if line[:1] == ["nameserver"] and len(line) > 1]
    return [f"[{name}]" if ":" in name else name for name in named if _is_plain(name)]


def _is_plain(name: str) -> bool:
    from ipaddress import ip_address

    try:
        return "%" not in name and bool(ip_address(name))
    except ValueError:
        return False
