"""What pyinfra lets a command be given on its standard input, as bytes."""

from __future__ import annotations

from typing import Any


def as_bytes(given: Any) -> bytes:
    """A file, lines or a text, each line ended, as pyinfra would write it; bytes as they are."""
    if given is None:
        return b""
    if isinstance(given, bytes):
        return given
    lines = given.readlines() if hasattr(given, "readlines") else given
    if not isinstance(lines, list | tuple):
        lines = [lines]
    return b"".join(_ended(line) for line in lines)


def _ended(line: str | bytes) -> bytes:
    encoded = line if isinstance(line, bytes) else line.encode()
    return encoded if encoded.endswith(b"\n") else encoded + b"\n"
