"""What is expensive to make is made once, by one process, and kept in the cache."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path


def kept(ready: Path, make: Callable[[Path], None]) -> Path:
    """The folder ``ready``; where it is not there ``make`` makes another, which gets its name.

    So it is never half. Other processes that want it meanwhile wait for it.
    """
    ready.parent.mkdir(parents=True, exist_ok=True)
    with ready.with_name(f"{ready.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            partial = ready.with_name(f"{ready.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            make(partial)
            partial.rename(ready)
    return ready
