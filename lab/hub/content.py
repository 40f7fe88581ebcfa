"""A folder as the hub sees a repository: its files with the names and digests git gives them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LFS_SUFFIXES = (".safetensors", ".bin", ".gguf")
"""What the hub keeps outside git, named by the SHA-256 of its content."""
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"


@dataclass(frozen=True)
class Entry:
    """One file of a repository: its git blob id, and its SHA-256 where git has a pointer only."""

    path: str
    source: Path
    size_bytes: int
    oid: str
    sha256: str | None

    @property
    def etag(self) -> str:
        """What the hub calls this content: clients tell by it whether they have it already."""
        return f'"{self.sha256 or self.oid}"'

    def listed(self) -> dict[str, Any]:
        """The entry of ``/api/models/{repo}/tree/{revision}``."""
        entry = {"type": "file", "oid": self.oid, "size": self.size_bytes, "path": self.path}
        if self.sha256 is None:
            return entry
        pointer = len(POINTER.format(self.sha256, self.size_bytes))
        lfs = {"oid": self.sha256, "size": self.size_bytes, "pointerSize": pointer}
        return {**entry, "lfs": lfs}


def read_folder(folder: Path) -> dict[str, Entry]:
    """The files below a folder by their path in the repository, as they are now."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {entry.path: entry for entry in (_entry(folder, path) for path in files)}


def _entry(folder: Path, source: Path) -> Entry:
    size_bytes, sha256 = source.stat().st_size, None
    if source.suffix in LFS_SUFFIXES:
        with source.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        blob = POINTER.format(sha256, size_bytes).encode()
    else:
        blob = source.read_bytes()
    oid = hashlib.sha1(b"blob %d\0" % len(blob) + blob).hexdigest()
    return Entry(source.relative_to(folder).as_posix(), source, size_bytes, oid, sha256)
