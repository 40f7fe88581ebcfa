"""Whether the files of a bundle are still what its manifest says, read byte by byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rackwright.bundling.collecting import digest_of
from rackwright.bundling.manifest import Manifest


def verified(
    folder: Path, manifest: Manifest, heard: Callable[[str, int], None]
) -> list[tuple[str, str]]:
    """Path and trouble of each file that is absent or another; empty where all is well.

    ``heard`` is told of each file that was read, with its bytes.
    """
    wrong: list[tuple[str, str]] = []
    for path, file in sorted(manifest.files.items()):
        if trouble := _wrong_with(folder / path, file.size_bytes, file.sha256):
            wrong.append((path, trouble))
        heard(path, file.size_bytes)
    return wrong


def _wrong_with(path: Path, size_bytes: int, sha256: str) -> str:
    try:
        size = path.stat().st_size
        if size != size_bytes:
            return f"has {size} bytes, not {size_bytes}"
        found = digest_of(path)
    except OSError as error:
        return str(error.strerror or error).lower()
    return "" if found == sha256 else f"has the SHA-256 {found}, not {sha256}"
