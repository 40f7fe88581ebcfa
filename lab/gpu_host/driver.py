"""The machine's NVIDIA driver: its device files, libraries and programs, wherever they are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from lab.gpu_host import DRIVER

WHOLE = "whole"
"""The driver lies in a folder of its own, which the host is given as it is."""
_LISTED = re.compile(r"^\s+(lib(?:nvidia-|cuda\.so|cudadebugger|nvcuvid)\S*) \(([^)]*)\) => (\S+)$")
_PROGRAMS = ("nvidia-smi", "nvidia-debugdump", "nvidia-cuda-mps-control", "nvidia-cuda-mps-server")


def missing() -> list[str]:
    """One sentence for each part of a driver that this machine lacks."""
    found = []
    if not list(Path("/dev").glob("nvidia[0-9]*")) or not Path("/dev/nvidiactl").exists():
        found.append("no NVIDIA device files: /dev/nvidiactl and /dev/nvidia0 come with a driver")
    names = _names(libraries())
    for name in ("libnvidia-ml.so.1", "libcuda.so.1"):
        if name not in names:
            found.append(f"no {name} in {DRIVER}, nor in what `ldconfig -p` lists")
    return found


def libraries() -> str | dict[str, str]:
    """``WHOLE``, or the name below ``DRIVER`` to the machine's file; empty without a driver."""
    if "libnvidia-ml.so.1" in _names(WHOLE):
        return WHOLE
    listed = subprocess.run([_ldconfig(), "-p"], capture_output=True, text=True).stdout
    programs = {name: shutil.which(name) for name in _PROGRAMS}
    return {
        **{f"lib64/{name}": path for name, path in of_cache(listed).items()},
        **{f"bin/{name}": path for name, path in programs.items() if path},
    }


def of_cache(listed: str) -> dict[str, str]:
    """The driver's 64-bit libraries in what ``ldconfig -p`` prints, the first of each name."""
    found: dict[str, str] = {}
    for line in listed.splitlines():
        matched = _LISTED.match(line)
        if matched and "64" in matched[2]:
            found.setdefault(matched[1], matched[3])
    return found


def _ldconfig() -> str:
    return shutil.which("ldconfig") or "/sbin/ldconfig"


def _names(given: str | dict[str, str]) -> set[str]:
    """The libraries' names."""
    if given == WHOLE:
        return {path.name for path in Path(DRIVER).glob("lib*/lib*.so*")}
    return {Path(name).name for name in given}
