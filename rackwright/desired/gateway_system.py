"""Which systems can be a gateway: those whose archives have Nginx's Lua module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rackwright.catalog.drivers import numbers

OLDEST = {"debian": "12", "ubuntu": "24.04"}
"""With libnginx-mod-http-lua for their own Nginx, and the libraries that it needs. Ubuntu 22.04 has
neither; it may still be a server. Of other systems apt will tell."""
REMEDY = "make a host with Debian 12 or newer, or Ubuntu 24.04 or newer, the gateway"


def unfit(system: Mapping[str, Any]) -> str:
    """Why a system (os-release(5)) cannot be a gateway; empty where it can, or nobody knows."""
    oldest, version = OLDEST.get(str(system.get("ID"))), str(system.get("VERSION_ID", ""))
    if oldest is None or not numbers(version) or numbers(version) >= numbers(oldest):
        return ""
    name = system.get("PRETTY_NAME") or f"{system['ID']} {version}"
    return f"{name} has no Lua module for Nginx in its archives, which a gateway needs"
