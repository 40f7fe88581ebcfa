"""The driver's kernel module: which would be loaded, loading it, and what the kernel says."""

from __future__ import annotations

import re
import shutil
from subprocess import STDOUT
from typing import Any

from rackwright.remote.host.kernel_log import kernel_log
from rackwright.remote.host.running import ended

MODULE_NAMES = ("nvidia", "nvidia-current-open", "nvidia-current")
"""What the module's file is called: Debian's own has other names, and an alias for modprobe."""
INTERESTING = re.compile(r"nvrm|nvidia|nouveau|lockdown|module verification|loading of", re.I)
MOST_LINES = 15

Values = dict[str, Any]


def on_disk() -> str:
    """The version that modprobe would load; a kernel without the module is no failure."""
    for name in MODULE_NAMES if shutil.which("modinfo") else ():
        done = ended("modinfo", "--field", "version", name)
        if done.returncode == 0:
            return done.stdout.strip()
    return ""


def load(build: bool) -> Values:
    """Load the kernel modules, built first where they should be there and are not.

    What went wrong is in the words of modprobe, of DKMS and of the kernel.
    """
    built = _built() if build and not on_disk() else []
    done = ended("modprobe", "--all", "nvidia", "nvidia_uvm")
    words = dict.fromkeys(done.stderr.splitlines())  # each once
    said = "\n".join(words).strip()
    return {"ok": done.returncode == 0, "words": said, "log": [*built, *why()["log"]]}


def _built() -> list[str]:
    """What DKMS says: a kernel whose headers came later than the driver has no module yet."""
    if not shutil.which("dkms"):
        return []
    lines = ended("dkms", "autoinstall", stderr=STDOUT).stdout.strip().splitlines()
    return [f"dkms: {line}" for line in lines[-5:]]


def why() -> Values:
    """What of the kernel's log may tell why a module is not loaded, and how it was built."""
    try:
        lines = [line for line in kernel_log() if INTERESTING.search(line)]
    except OSError as error:
        lines = [f"the kernel's log could not be read: {error}"]
    return {"log": lines[-MOST_LINES:]}
