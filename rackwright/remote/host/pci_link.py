"""Both ends of a device's PCIe link, as the kernel shows them below /sys (since Linux 4.13)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rackwright.remote.host.pci import ADDRESS

GENERATIONS = {"2.5": 1, "5": 2, "8": 3, "16": 4, "32": 5, "64": 6}
"""By GT/s, without zeros at the end."""
LANES = (1, 2, 4, 8, 12, 16, 32)
"""Other widths are of no link: 0, and 255 of a bridge that a virtual machine is shown."""

Values = dict[str, Any]


def card_end(device: Path) -> Values:
    """What a device below ``/sys/bus/pci/devices`` has of its link, and what it can.

    Generation and lanes, each null where the device does not tell. OSError for none.
    """
    return _end(device.resolve(strict=True))


def bridge_end(device: Path) -> Values:
    """The same of the port that its link leads to: the slot. LookupError where none is seen."""
    above = device.resolve(strict=True).parent
    if not ADDRESS.fullmatch(above.name):
        raise LookupError("no bridge is seen above it, as in virtual machines")
    return _end(above)


def _end(path: Path) -> Values:
    return {
        "generation": _generation(path / "current_link_speed"),
        "width": _lanes(path / "current_link_width"),
        "max_generation": _generation(path / "max_link_speed"),
        "max_width": _lanes(path / "max_link_width"),
    }


def _generation(path: Path) -> int | None:
    """Of ``16.0 GT/s PCIe``, ``8 GT/s`` of older kernels; null for ``Unknown``."""
    speed, _, unit = _text(path).partition(" ")
    known = GENERATIONS.get(speed[:-2] if speed.endswith(".0") else speed)
    return known if unit.startswith("GT/s") else None


def _lanes(path: Path) -> int | None:
    text = _text(path)
    lanes = int(text) if text.isdecimal() else 0
    return lanes if lanes in LANES else None


def _text(path: Path) -> str:
    """A conventional PCI device has no such file, or one that cannot be read."""
    try:
        return path.read_text().strip()
    except OSError:
        return ""
