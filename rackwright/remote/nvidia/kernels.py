"""The kernels that a host may boot next, and what each has for the driver."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from rackwright.remote.host.running import Failed, ended
from rackwright.remote.nvidia.kernel_module import MODULE_NAMES

BOOT = Path("/boot")
KERNELS = Path("/lib/modules")
GRUB = Path("/etc/default")
DEFAULT = re.compile(r"^\s*GRUB_DEFAULT=(.*)$", re.MULTILINE)
IMAGE = "vmlinuz-"
PACKAGES = ("linux-image-*", "linux-headers-*", "linux-modules-nvidia-*")

Values = dict[str, Any]


def kernels() -> Values:
    """``installed``, one a kernel image in /boot, and the names of installed ``packages`` of them.

    ``grub_default`` is the entry that GRUB is told to boot, "" for its first, the newest. Of each
    kernel: ``release``, ``headers`` (bool), ``module`` (the version of the driver's that it would
    load; "" for none) and ``dkms`` (whether that was built here). A host that boots by other means
    (a container, a kernel from outside) has no images.
    """
    names = sorted(path.name[len(IMAGE) :] for path in BOOT.glob(f"{IMAGE}*"))
    releases = [name for name in names if (KERNELS / name).is_dir()]
    return {
        "installed": [_kernel(release) for release in releases],
        "packages": _packages(),
        "grub_default": _grub_default(),
    }


def _grub_default() -> str:
    """The last word of its settings, as grub-mkconfig reads them."""
    files = [GRUB / "grub", *sorted((GRUB / "grub.d").glob("*.cfg"))]
    texts = [path.read_text(errors="replace") for path in files if path.is_file()]
    found = [value for text in texts for value in DEFAULT.findall(text)]
    last = found[-1].strip().strip("\"'") if found else ""
    return "" if last == "0" else last


def _kernel(release: str) -> Values:
    module = _module(release)
    return {
        "release": release,
        "headers": (KERNELS / release / "build").exists(),
        "module": module.get("version", ""),
        "dkms": "/dkms/" in module.get("filename", ""),
    }


def _module(release: str) -> dict[str, str]:
    """What modinfo says of the module in that kernel, by field; empty where it has none."""
    if not shutil.which("modinfo"):
        raise Failed("modinfo is not there")
    for name in MODULE_NAMES:
        done = ended("modinfo", "--set-version", release, name)
        if done.returncode == 0:
            pairs = (line.partition(":") for line in done.stdout.splitlines())
            return {key: value.strip() for key, _, value in reversed(list(pairs))}
    return {}


def _packages() -> list[str]:
    """None on a system without dpkg."""
    if not shutil.which("dpkg-query"):
        return []
    form = "${Package} ${db:Status-Status}\n"
    done = ended("dpkg-query", "--show", f"--showformat={form}", *PACKAGES)
    if done.returncode not in (0, 1):  # 1: none matches some pattern
        raise Failed(done.stderr.strip())
    rows = (line.split() for line in done.stdout.splitlines())
    return sorted({row[0] for row in rows if row[1:] == ["installed"]})
