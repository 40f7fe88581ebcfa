"""In a release's own Python: a folder `cuda` in it that looks like NVIDIA's toolkit to compilers.

The wheels bring nvcc, its headers and libraries, but not where programs look below CUDA_HOME: no
`lib64`, and libraries under their versioned names alone.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
from pathlib import Path

WHEELS = Path(sysconfig.get_path("purelib"), "nvidia", "cu13")
HOME = Path(sys.prefix, "cuda")


def main() -> None:
    """Make the folder; ends with an error where the wheels lack a part of it."""
    (HOME / "lib64" / "stubs").mkdir(parents=True, exist_ok=True)
    for name in ("bin", "include", "lib", "nvvm"):
        link(HOME / name, WHEELS / name)
    link(HOME / "lib64" / "libcudart.so", WHEELS / "lib" / "libcudart.so.13")
    if (driver := driver_library()) is not None:
        for folder in ("lib64", "lib64/stubs"):
            link(HOME / folder / "libcuda.so", driver)


def link(path: Path, target: Path) -> None:
    """A link to what is there."""
    if not target.exists():
        sys.exit(f"the release has no {target}: its lock lacks a part of NVIDIA's toolkit")
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def driver_library() -> Path | None:
    """Where the loader finds the driver's library; None on a host without a driver."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    mapped = Path("/proc/self/maps").read_text().splitlines()
    found = next((Path(line.split()[-1]) for line in mapped if "/libcuda.so" in line), None)
    usual = found.with_name("libcuda.so.1") if found else None  # stays when the driver is upgraded
    return usual if usual and usual.exists() else found


if __name__ == "__main__":
    main()
