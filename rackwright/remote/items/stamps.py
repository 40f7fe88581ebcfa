"""Notes of what was last done on this host, for what the host itself does not tell."""

from __future__ import annotations

import os
from pathlib import Path

from rackwright.remote.items.files import write

FOLDER = Path("/var/lib/rackwright/units")


def read(name: str) -> str:
    """The note; an empty text where there is none."""
    try:
        return (FOLDER / name).read_text()
    except FileNotFoundError:
        return ""


def put(name: str, text: str) -> None:
    """Keep a note."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    write(FOLDER / name, text.encode(), os.getuid(), os.getgid(), 0o644)
