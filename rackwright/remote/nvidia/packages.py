"""Packages of the driver and of CUDA, and what no package owns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rackwright.remote.host.running import Failed, ended, output

RUNFILE = (Path("/usr/bin/nvidia-uninstall"), Path("/usr/bin/nvidia-installer"))
PACKAGES = ("*nvidia*", "cuda*", "libcuda*", "nvlsm", "libnvsdm*", "firmware-nvidia*")

Values = dict[str, Any]


def packages() -> list[Values]:
    """Installed ones, and those that an interrupted apt left half way."""
    form = "${Package}\t${Version}\t${db:Status-Status}\t${db:Status-Want}\n"
    done = ended("dpkg-query", "--show", f"--showformat={form}", *PACKAGES)
    if done.returncode not in (0, 1):  # 1: none matches some pattern
        raise Failed(done.stderr.strip())
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    found = [row for row in rows if row[2] not in ("not-installed", "config-files")]
    origins = _origins(sorted({row[0] for row in found}))
    return [
        {"name": name, "version": version, "status": status, "held": want == "hold",
         "origins": origins.get(name, [])}
        for name, version, status, want in found
    ]  # fmt: skip


def _origins(names: Sequence[str]) -> dict[str, list[str]]:
    """Where apt could get the installed version of each from now."""
    found: dict[str, list[str]] = {}
    name, inside = "", False
    for line in (output("apt-cache", "policy", *names) if names else "").splitlines():
        words = line.split()
        if not line.startswith(" "):
            name, inside = line.rstrip(":").partition(":")[0], False
        elif line.startswith((" ***", "     ")) and not line.startswith("        "):
            inside = words[0] == "***"
        elif inside and len(words) >= 2 and not words[1].startswith("/"):
            found.setdefault(name, []).append(" ".join(words[1:3]))
    return found


def runfile() -> list[str]:
    """What NVIDIA's own installer left."""
    return [str(path) for path in RUNFILE if path.exists() and not _owned(path)]


def _owned(path: Path) -> bool:
    return ended("dpkg-query", "--search", str(path)).returncode == 0
