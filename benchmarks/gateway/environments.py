"""The other doors and the load generator, of pinned versions, kept in the cache."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from lab.fleet import CACHE
from lab.shell import sh, step

HERE = Path(__file__).parent
LITELLM = HERE / "litellm-1.106.12.txt"
VLLM_ROUTER = HERE / "vllm-router-0.1.17.txt"


def programs(lock: Path) -> Path:
    """The programs of an environment with exactly what the lock says; made if it is not there."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    ready = CACHE / f"{lock.stem}-{digest}"
    if not ready.exists():
        uv = str(Path(sys.executable).parent / "uv")
        with step(f"installing {lock.stem}"):
            shutil.rmtree(ready.with_suffix(".partial"), ignore_errors=True)
            partial = ready.with_suffix(".partial")
            sh(uv, "venv", "--quiet", "--relocatable", str(partial))
            python = str(partial / "bin/python")
            sh(uv, "pip", "install", "--quiet", "--python", python, "--require-hashes",
               "-r", str(lock))  # fmt: skip
            partial.rename(ready)
    return ready / "bin"
