"""Bridges that send traffic between the devices below them up to the CPU (ACS)."""

from __future__ import annotations

import re
from pathlib import Path

DEVICES = Path("/sys/bus/pci/devices")
ADDRESS = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
EXTENDED, MOST_CAPABILITIES = 0x100, 64
"""Where extended capabilities of PCI configuration space begin, and more than it has room for."""
ACS, REDIRECTS = 0x000D, 0x0004 | 0x0008


def redirecting_bridges(device: Path) -> list[str]:
    """Addresses of those above a device of ``DEVICES``. OSError where that cannot be read."""
    above = [part for part in device.resolve(strict=True).parts[:-1] if ADDRESS.fullmatch(part)]
    return [each for each in above if redirects((device.parent / each / "config").read_bytes())]


def redirects(config: bytes) -> bool:
    """Whether ACS of a bridge redirects requests or completions (PCI Express 4.0, 7.7.8)."""
    if len(config) <= EXTENDED:
        raise PermissionError("PCI configuration space is readable in full by root only")
    at = EXTENDED
    for _ in range(MOST_CAPABILITIES):
        head = int.from_bytes(config[at : at + 4], "little")
        if head & 0xFFFF == ACS:
            control = int.from_bytes(config[at + 6 : at + 8], "little")
            return bool(control & REDIRECTS)
        at = head >> 20
        if at < EXTENDED:
            return False
    return False
