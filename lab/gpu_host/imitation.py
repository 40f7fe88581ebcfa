"""A rehearsal without GPUs: the lab's stand-in for NVML, and its tiny model, in a root folder."""

from __future__ import annotations

from pathlib import Path

from lab import nvml, tiny_model
from lab.fleet import TINY_MODEL
from lab.nvml.compose import write_profile


def imitate(profile: str, name: str, root: Path) -> None:
    """Show a host the GPUs of a profile (``h200x2``). Needs gcc, and the project's venv."""
    nvml.build(root / "usr/lib/x86_64-linux-gnu" / nvml.SONAME)
    own = root / "etc/rackwright-lab/nvml.profile"
    own.parent.mkdir(exist_ok=True)
    write_profile(profile, name, own)
    tiny_model.make(root / TINY_MODEL.lstrip("/"))
