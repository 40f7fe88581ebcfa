"""What of a machine decides whether compiled code runs on it, beside its GPUs."""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

from rackwright.remote.host.operating_system import nvidia_module_version, os_release

CPU = Path("/proc/cpuinfo")
COMPILED_FOR = (
    *("vendor_id", "cpu family", "model", "flags"),
    *("CPU implementer", "CPU part", "Features"),
)
"""Of a processor: what ``-march=native`` goes by, on x86 and on ARM. PyTorch compiles with that
for the host's own part of a model, and such code dies by SIGILL on a lesser processor."""


def machine() -> dict[str, str]:
    """By name: the architecture, the processor, the distribution (its C library), the driver.

    Of the driver its branch: NVIDIA keeps what runs on one of its versions running on the next.
    """
    system = os_release()
    return {
        "architecture": platform.machine(),
        "processor": hashlib.sha256(_processor(CPU.read_text()).encode()).hexdigest()[:12],
        "system": f"{system.get('ID', '')} {system.get('VERSION_ID', '')}",
        "driver": _driver_branch(),
    }


def _processor(text: str) -> str:
    """Of the first processor: servers have equal ones."""
    first = text.partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return "\n".join(f"{k.strip()}:{v.strip()}" for k, _, v in pairs if k.strip() in COMPILED_FOR)


def _driver_branch() -> str:
    try:
        return nvidia_module_version().partition(".")[0]
    except (OSError, ValueError):
        return ""


def digest_of(facts: dict[str, Any]) -> str:
    """The name of a seed: of all that is planned of a replica, and of the machine."""
    text = json.dumps({**facts, "machine": machine()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
