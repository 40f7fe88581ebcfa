"""NVSwitches on the host's PCI bus."""

from __future__ import annotations

from rackwright.remote.host.pci import DEVICES

NVIDIA, BRIDGE = "0x10de", "0x0680"


def switches() -> list[str]:
    """Their PCI addresses. Those of NVLink 5 are not on it, and those of a guest on its host's."""
    return [
        path.parent.name
        for path in sorted(DEVICES.glob("*/vendor"))
        if path.read_text().strip() == NVIDIA
        and (path.parent / "class").read_text().startswith(BRIDGE)
    ]
