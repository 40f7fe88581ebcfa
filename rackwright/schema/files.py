"""Files of this machine that an operator names: read and written, or refused, never waited for."""

from __future__ import annotations

import os
import stat
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path

from rackwright.errors import InputError

MOST_BYTES = 64 * 1024**2
"""Of a file that is read into memory: a report of a hundred hosts has a few MB."""
_BLOCK_BYTES = 1 << 20


def text_of(path: Path) -> str:
    """A regular file's text, UTF-8. Raises OSError, and ValueError where it is no such text."""
    return decoded(bytes_of(path))


def standard_input() -> str:
    """What is piped into this program, as a file would be read."""
    content = sys.stdin.buffer.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES} bytes")
    return decoded(content)


def bytes_of(path: Path) -> bytes:
    """A regular file's bytes. Raises OSError, and ValueError for what is no such file.

    A pipe without a writer, or a device, would be waited for without end; so would some files of
    /proc that call themselves regular, which is why it is not waited for bytes either.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("no regular file")
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return b"".join(_blocks(handle))
    finally:
        os.close(handle)


def _blocks(handle: int) -> Iterator[bytes]:
    size = 0
    while block := os.read(handle, _BLOCK_BYTES):
        size += len(block)
        if size > MOST_BYTES:
            raise ValueError(f"more than {MOST_BYTES} bytes")
        yield block


def decoded(content: bytes) -> str:
    """Text of UTF-8; lines end as Python has them. Raises ValueError where it is none.

    A byte order mark is none of the text, and programs that read the same file end at it.
    """
    if content.startswith(BOM_UTF8):
        raise ValueError("starts with a byte order mark, must be UTF-8 without one")
    return content.decode().replace("\r\n", "\n").replace("\r", "\n")


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
