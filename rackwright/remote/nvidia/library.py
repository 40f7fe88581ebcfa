"""The version of the library that NVML is, without asking it: it may refuse to start."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

SONAME = "libnvidia-ml.so.1"
MAPS = Path("/proc/self/maps")
FILE = re.compile(r"/libnvidia-ml\.so\.(\d+\.[\d.]*\d)(?: \(deleted\))?$", re.MULTILINE)


def library_version() -> str:
    """By the name of the file that the loader takes: ``libnvidia-ml.so.580.159.04``.

    Raises OSError where there is no library, LookupError for a file that carries no version.
    """
    ctypes.CDLL(SONAME)
    found = FILE.search(MAPS.read_text())
    if found is None:
        raise LookupError(f"the file of {SONAME} carries no version in its name")
    return found[1]
