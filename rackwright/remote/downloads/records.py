"""What was downloaded to a path, to the file: for peers that want it too, and to tell it apart."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from rackwright.remote.host.digests import sha256_hex
from rackwright.remote.items.files import write

Row = list[Any]
"""``[name, size_bytes, digest, url]``, as ``sideways.content.File``."""


LOCKED, DOWNLOADED = ".locked", ".files"
"""Ends of the names of notes: compared with a lock, what came; without: of a GGUF file."""


def name_of(path: Path) -> str:
    """What notes on a path are called."""
    return sha256_hex(str(path).encode())


def forget(stamps: Path, path: Path) -> None:
    """Remove what was noted of a path that is gone."""
    for end in ("", LOCKED, DOWNLOADED):
        with contextlib.suppress(FileNotFoundError):
            (stamps / f"{name_of(path)}{end}").unlink()


def record(stamps: Path, path: Path, files: list[Row]) -> None:
    """Note what is at a path now: all of its digests were right."""
    stamps.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"path": str(path), "files": files})
    write(stamps / f"{name_of(path)}{DOWNLOADED}", text.encode(), os.getuid(), os.getgid(), 0o644)


def recorded(stamps: Path, path: Path) -> list[Row] | None:
    """What was downloaded there; None where nothing is known of it."""
    try:
        noted = json.loads((stamps / f"{name_of(path)}{DOWNLOADED}").read_text())
        files = noted["files"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return files if isinstance(files, list) and noted.get("path") == str(path) else None


def missing_of(folder: Path, files: list[Row]) -> str:
    """What is not there any more of a download, in words; empty where all is.

    Files that were edited are left to whoever edited them: the folder may be served from.
    """
    gone = [name for name, *_ in files if not (folder / str(name)).is_file()]
    more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
    return f"{folder} lacks {gone[0]}{more}" if gone else ""
