"""The questions about the NVLinks of one GPU."""

from __future__ import annotations

import contextlib
from typing import Any

from rackwright.remote.nvidia.answers import far_end, link_speed, named
from rackwright.remote.nvidia.questions import ask
from rackwright.remote.reader import Reader

LINK_VERSIONS = dict(enumerate(("1.0", "2.0", "2.2", "3.0", "3.1", "4.0", "5.0", "6.0"), start=1))
LINK_ENDS = {0: "gpu", 1: "npu", 2: "switch", 255: "unknown"}
MAX_LINKS = 36

LINK: dict[str, Any] = {
    "active": ask("NvLinkState", then=bool),
    "version": ask("NvLinkVersion", then=named(LINK_VERSIONS)),
    "remote_type": ask("NvLinkRemoteDeviceType", then=named(LINK_ENDS)),
    "remote_pci_bus_id": ask("NvLinkRemotePciInfo", then=far_end),
    "speed_mb_per_s": link_speed,
}
"""The questions about one NVLink, asked with (pynvml, handle, link)."""


def links(reader: Reader, path: str, nvml: Any, handle: Any) -> list[dict[str, Any]]:
    """The GPU's NVLinks. A number that NVML calls unsupported or invalid is no link of this GPU."""
    absent = (nvml.NVMLError_NotSupported, nvml.NVMLError_InvalidArgument)
    links: list[dict[str, Any]] = []
    for number in range(MAX_LINKS):
        with contextlib.suppress(*absent):
            nvml.nvmlDeviceGetNvLinkState(handle, number)
            told = reader.fill(f"{path}[{len(links)}]", LINK, nvml, handle, number)
            links.append({"link": number, **told})
    return links
