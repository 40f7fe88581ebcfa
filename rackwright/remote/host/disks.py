"""The room on file systems."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Values = dict[str, Any]


def disks(paths: Sequence[str]) -> dict[str, Values]:
    """The file system of each folder, or of the nearest above it that is there.

    ``device`` tells which are the same; ``free_bytes`` is what others than root can still write.
    """
    return {path: _disk(Path(path)) for path in paths}


def _disk(folder: Path) -> Values:
    there = next(each for each in (folder, *folder.parents) if each.exists())
    try:
        seen = os.statvfs(there)
        return {
            "device": there.stat().st_dev,
            "free_bytes": seen.f_bavail * seen.f_frsize,
            "total_bytes": seen.f_blocks * seen.f_frsize,
        }
    except OSError as error:
        return {"error": f"{there}: {error}"}
