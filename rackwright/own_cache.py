"""Where this project keeps what it may forget, in the user's own cache."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder(of: str) -> Path:
    """``$XDG_CACHE_HOME/rackwright/OF``, below ``~/.cache`` where that is not set."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return root / "rackwright" / of


def asked_not_to() -> bool:
    """Whether whoever runs this wants nothing written beside the program, as Python's caches are.

    Not ``sys.dont_write_bytecode``: pyinfra sets that in every run, for the sake of deploy.py.
    """
    return bool(sys.flags.dont_write_bytecode)
