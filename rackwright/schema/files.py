"""Files of this machine that an operator names: read and written, or refused, never waited for."""

from __future__ import annotations

import os
from pathlib import Path

from rackwright.errors import InputError

MOST_BYTES = 64 * 1024**2
"""Of a file that is read into memory: a report of a hundred hosts has a few MB."""


def text_of(path: Path) -> str:
    """A regular file's text, UTF-8. Raises OSError, and ValueError where it is no such text.

    A pipe without a writer, or a device, would be waited for without end.
    """
    if not path.is_file():
        path.stat()  # raises what is wrong with it, if it is not there
        raise ValueError("no regular file")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES} bytes")
    return path.read_text(encoding="utf-8")


def must_be_writable(path: Path) -> None:
    """Raise InputError where a file could not be written: said before work is done for it."""
    place = path if path.exists() else path.parent
    if not place.exists():
        raise InputError(f"{path} cannot be written: there is no folder {place}")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} cannot be written: it is no regular file")
    if not os.access(place, os.W_OK):
        raise InputError(f"{path} cannot be written: permission denied")


def write(path: Path, text: str) -> None:
    """Write a file's text, UTF-8. Raises InputError where the system refuses it."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
