"""On the host: the name servers that it asks, as Nginx takes them."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

RESOLV_CONF = Path("/etc/resolv.conf")


def main() -> list[str]:
    """Addresses in the order of resolv.conf(5), those of IPv6 in brackets; none without the file.

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
    try:
        return "%" not in name and bool(ip_address(name))
    except ValueError:
        return False
