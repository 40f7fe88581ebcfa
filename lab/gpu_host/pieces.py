"""Streams cut into pieces that are easy to carry, and a manifest that tells which are missing.

Names sort in the order of the stream: ``i00``, ``i01``, ``w000``. The manifest has the digest of
every piece and of every whole stream, so that a boot says what is missing or damaged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from lab.errors import LabError

PIECE_BYTES = 58_000_000
MANIFEST = "manifest.json"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Piece:
    """One file of a stream."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Stream:
    """A tar archive in pieces; ``target`` is its folder in the host, ``about`` what it holds."""

    prefix: str
    target: str
    about: str
    compressed: bool
    sha256: str
    pieces: tuple[Piece, ...]


@dataclass
class Manifest:
    """What was packed: the streams by prefix, in the order in which they are unpacked."""

    suite: str
    streams: dict[str, Stream] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        fresh = folder / f"{MANIFEST}.new"
        fresh.write_text(json.dumps(asdict(self), indent=1) + "\n")
        fresh.replace(folder / MANIFEST)


def load(folder: Path) -> Manifest:
    """The manifest of a folder; LabError when it has none."""
    path = folder / MANIFEST
    if not path.exists():
        raise LabError(f"{path} is not there: `python -m lab.gpu_host pack` writes it")
    try:
        raw = json.loads(path.read_text())
    except ValueError:
        raise LabError(f"{path} is not whole: carry it again") from None
    streams = {}
    for prefix, entry in raw["streams"].items():
        pieces = tuple(Piece(**piece) for piece in entry.pop("pieces"))
        streams[prefix] = Stream(**entry, pieces=pieces)
    return Manifest(raw["suite"], streams)


def piece_name(prefix: str, number: int) -> str:
    """``i00``, ``w007``, ``p0``: a lock file's wheels (``w0``, ``w1``) may be a hundred pieces."""
    digits = 1 if prefix == "p" else 2
    if number >= 10**digits:
        raise LabError(f"{prefix}: more than {10**digits} pieces of {PIECE_BYTES} bytes")
    return f"{prefix}{number:0{digits}d}"


def cut(source: IO[bytes], folder: Path, prefix: str) -> tuple[str, tuple[Piece, ...]]:
    """Write a stream as pieces, in place of earlier ones; its digest and they."""
    for old in folder.glob(f"{prefix}[0-9]*"):
        old.unlink()
    whole, found = hashlib.sha256(), []
    chunk_bytes = min(_CHUNK_BYTES, PIECE_BYTES)
    while chunk := source.read(chunk_bytes):
        path, digest, size = folder / piece_name(prefix, len(found)), hashlib.sha256(), 0
        with path.open("wb") as piece:
            while chunk:
                for each in (whole, digest):
                    each.update(chunk)
                size += piece.write(chunk)
                chunk = source.read(min(chunk_bytes, PIECE_BYTES - size))
        found.append(Piece(path.name, size, digest.hexdigest()))
    return whole.hexdigest(), tuple(found)


def missing(stream: Stream, folder: Path) -> list[str]:
    """The pieces that are not there, or not of their size."""
    return [piece.name for piece in stream.pieces if _size(folder / piece.name) != piece.size_bytes]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1


def content(stream: Stream, folder: Path) -> Iterator[bytes]:
    """The stream, a piece at a time; LabError at the first that is not what was packed."""
    for piece in stream.pieces:
        data = (folder / piece.name).read_bytes()
        if hashlib.sha256(data).hexdigest() != piece.sha256:
            raise LabError(f"{folder / piece.name} is not what was packed: carry it again")
        yield data
