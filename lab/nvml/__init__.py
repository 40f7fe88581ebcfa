"""A stand-in for ``libnvidia-ml.so.1`` that imitates GPUs on hosts which have none.

It answers nvidia-ml-py (and anything else that loads NVML) from a profile file: the one named by
``RACKWRIGHT_NVML_PROFILE``, else ``/etc/rackwright-lab/nvml.profile``. ``profile.py`` makes such
files from captures of real hosts; their format is described in ``profile.c``.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from lab.errors import LabError

SONAME = "libnvidia-ml.so.1"
LIBRARY = "libnvidia-ml.so"
SOURCES = sorted(Path(__file__).parent.glob("*.c"))
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC", "-fvisibility=hidden")


def file_of(version: str) -> str:
    """What a driver of that version calls the library's file; ``SONAME`` is a link to it."""
    return f"{LIBRARY}.{version}"


def build(output: Path) -> None:
    """Compile the stand-in to ``output``, which is replaced at once or not at all.

    Raises ``LabError`` with the compiler's words, also when there is no gcc.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        fresh = Path(folder) / SONAME
        _compile(["gcc", *FLAGS, f"-Wl,-soname,{SONAME}", "-o", str(fresh), *map(str, SOURCES)])
        fresh.replace(output)


def _compile(argv: list[str]) -> None:
    try:
        result = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise LabError("gcc is needed to build the NVML stand-in (package gcc)") from None
    if result.returncode:
        raise LabError(f"the NVML stand-in does not compile:\n{result.stderr}")
