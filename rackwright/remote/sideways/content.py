"""Files of known digests, cut into pieces that servers give one another."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

SMALLEST_BYTES, LARGEST_BYTES = 1 << 20, 64 << 20
PIECES = 1000
"""About so many a content, where they are neither too small nor too large."""
BLOCK_BYTES = 1 << 20
NAME = re.compile(r"[^/\0\n]{1,255}(/[^/\0\n]{1,255}){0,16}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}|git:[0-9a-f]{40}")

Values = dict[str, Any]


class File(NamedTuple):
    """One file by its path below the content's folder.

    ``digest`` is ``sha256:`` of its content, or ``git:``, the name that git gives its content.
    ``url`` is where it comes from; empty where only peers have it.
    """

    name: str
    size_bytes: int
    digest: str
    url: str = ""


class Piece(NamedTuple):
    """A part of a file, by the file's number."""

    file: int
    start: int
    size_bytes: int


class Content:
    """Files that belong together: a model at a revision, the wheels of a release."""

    def __init__(self, label: str, files: Iterable[File]) -> None:
        """``label`` is for people. Raises ValueError for files that no folder could hold."""
        self.label, self.files = label, tuple(sorted(files))
        for file in self.files:
            _check(file)
        self.size_bytes = sum(file.size_bytes for file in self.files)
        self.piece_bytes = _piece_bytes(self.size_bytes)
        self.pieces: list[Piece] = []
        self.of_file: list[range] = []
        for number, file in enumerate(self.files):
            first = len(self.pieces)
            for start in range(0, file.size_bytes, self.piece_bytes):
                size_bytes = min(self.piece_bytes, file.size_bytes - start)
                self.pieces.append(Piece(number, start, size_bytes))
            self.of_file.append(range(first, len(self.pieces)))
        self.all = (1 << len(self.pieces)) - 1
        self.key = _key(self.files)

    def bits_of(self, file: int) -> int:
        """The pieces of a file as a set of bits."""
        numbers = self.of_file[file]
        return ((1 << len(numbers)) - 1) << numbers.start


def content_of(values: Mapping[str, Any]) -> Content:
    """From ``label`` and ``files``, as they travel. Raises ValueError."""
    return Content(str(values["label"]), [File(*each) for each in values["files"]])


def _check(file: File) -> None:
    parts = file.name.split("/")
    if not NAME.fullmatch(file.name) or any(part in (".", "..") for part in parts):
        raise ValueError(f"{file.name!a} is no path below a folder")
    if parts[0].startswith(".rackwright"):
        raise ValueError(f"{file.name!a} is a name of ours")
    if not isinstance(file.size_bytes, int) or file.size_bytes < 0:
        raise ValueError(f"{file.name!a} has the size {file.size_bytes!r}")
    if not DIGEST.fullmatch(file.digest):
        raise ValueError(f"{file.name!a} has the digest {file.digest!a}")


def _piece_bytes(total: int) -> int:
    """A power of two: the same for everybody who has the same files."""
    size = SMALLEST_BYTES
    while size * PIECES < total and size < LARGEST_BYTES:
        size *= 2
    return size


def _key(files: Iterable[File]) -> str:
    """What peers call it: the same files are the same content, wherever they come from."""
    known = [(file.name, file.size_bytes, file.digest) for file in files]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:32]


def digest_of(path: Path, kind: str) -> str:
    """The digest of a file, of a kind: that of ``kind``, which is a digest too."""
    if kind.startswith("git:"):
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    else:
        digest = hashlib.sha256()
    with path.open("rb") as content:
        while block := content.read(BLOCK_BYTES):
            digest.update(block)
    return f"{kind.partition(':')[0]}:{digest.hexdigest()}"
