"""Makes profiles for the NVML stand-in from captures of real hosts.

A capture is a folder as in ``tests/data/h200x2``: ``nvml.json`` and, for what that lacks, the
text of ``nvidia-smi -q`` (``query.txt``) and ``nvidia-smi topo -m`` (``topo.txt``).

``python -m lab.nvml.profile tests/data/h200x2 0 1 > lab/nvml/profiles/h200x2.profile``
"""

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.nvml.capture import read_capture

PROFILES = Path(__file__).parent / "profiles"
FIELDS = {
    "PciInfo": "busIdLegacy domain bus device pciDeviceId pciSubSystemId busId",
    "MemoryInfo": "total free used",
    "MemoryInfo_v2": "total reserved free used",
    "BAR1MemoryInfo": "bar1Total bar1Free bar1Used",
    "UtilizationRates": "gpu memory",
    "GpuFabricInfo": "status cliqueId state healthMask healthSummary",
}
"""The structs of NVML whose fields are written in this order."""
P2P = ("read", "write", "nvlink", "atomics", "pcie")
SPECIAL = {"nvlinks", "nvlink_fields", "topology_common_ancestor", "p2p", "processes"}
SM_CLOCKS = {"ClockSM": "ClockInfo", "ClockMaxSM": "MaxClockInfo"}
LINK_FIELDS = {"NVML_FI_DEV_NVLINK_GET_SPEED": 164}
"""Field values kept, with NVML's ids; of most others a capture cannot tell 0 from no answer."""


def profile_text(
    capture: Mapping[str, Any], gpus: Sequence[int] | None = None, salt: str = ""
) -> str:
    """The profile for the capture's ``gpus`` (indices; all when ``None``), in that order.

    With a ``salt`` (a host's name) the UUIDs differ from those of every other salt.
    """
    chosen = range(len(capture["gpus"])) if gpus is None else gpus
    lines = [
        "# Made by lab/nvml/profile.py from a capture of a real host; the format: profile.c.",
        f"DriverVersion={capture['driver']}",
        f"NVMLVersion={capture['nvml']}",
        f"CudaDriverVersion={capture['cuda']}",
    ]
    for index, source in enumerate(chosen):
        lines += ["", f"[gpu {index}]", *_gpu(capture["gpus"][source], chosen)]
    return salted("\n".join(lines) + "\n", salt)


def salted(text: str, salt: str) -> str:
    """``text`` with each GPU's UUID replaced by one that depends on the old one and ``salt``."""

    def fresh(match: re.Match[str]) -> str:
        return f"GPU-{uuid.uuid5(uuid.NAMESPACE_OID, f'{salt}/{match[0]}')}"

    return re.sub(r"(?<=^UUID=)\S+", fresh, text, flags=re.MULTILINE) if salt else text


def _gpu(gpu: Mapping[str, Any], chosen: Sequence[int]) -> Iterator[str]:
    for key, value in gpu.items():
        if key in SM_CLOCKS:
            yield f"{SM_CLOCKS[key]}=-,{value}"
        elif key not in SPECIAL and (text := _value(key, value)) is not None:
            yield f"{key}={text}"
    yield from _links(gpu.get("nvlinks", []), gpu.get("nvlink_fields", {}))
    yield f"TopologyCommonAncestor={_peers(gpu['topology_common_ancestor'], chosen)}"
    for number, name in enumerate(P2P):
        yield f"P2PStatus.{number}={_peers(gpu['p2p'][name], chosen)}"
    for process in gpu["processes"]:
        yield f"process={process['pid']},{process['usedGpuMemory']}"


def _value(key: str, value: Any) -> str | None:
    """A captured value as the profile writes it; ``None`` for what the host could not answer."""
    if isinstance(value, dict) and key in FIELDS and "error" not in value:
        return _list(value[field] for field in FIELDS[key].split())
    if isinstance(value, list):
        return _list(value)
    return str(value) if isinstance(value, int | str) and not _is_repr(value) else None


def _is_repr(value: int | str) -> bool:
    return isinstance(value, str) and value.startswith("<")


def _list(values: Iterable[Any]) -> str:
    return ",".join("-" if value is None or isinstance(value, dict) else str(value)
                    for value in values)  # fmt: skip


def _peers(values: Sequence[Any], chosen: Sequence[int]) -> str:
    return _list(values[peer] for peer in chosen)


def _links(links: Sequence[Mapping[str, Any]], fields: Mapping[str, int]) -> Iterator[str]:
    if not links:
        return
    for key, name in {
        "NvLinkState": "state",
        "NvLinkVersion": "version",
        "NvLinkRemoteDeviceType": "remote_type",
        "NvLinkCapability.0": "cap_p2p",
        "NvLinkErrorCounter.0": "replay",
        "NvLinkErrorCounter.2": "crc",
    }.items():
        yield f"{key}={_list(link[name] for link in links)}"
    ends = [f"NvLinkRemotePciInfo={_value('PciInfo', link['remote_pci']) or '-'}" for link in links]
    yield from ends[:1] if len(set(ends)) == 1 else ends
    for name, number in LINK_FIELDS.items():
        yield f"Field.{number}={_list([fields[name]] * len(links))}"


if __name__ == "__main__":
    folder, *indices = sys.argv[1:]
    print(profile_text(read_capture(Path(folder)), [int(i) for i in indices] or None), end="")
