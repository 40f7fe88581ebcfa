"""The pieces of a content on this server's disk: which are there, and whether files are right."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rackwright.remote.sideways.content import Content, digest_of

NOTES = ".rackwright-pieces"
"""Beside the files, while they are not whole: a byte for each piece that is there."""
THERE = b"1"


class Store:
    """One content below a folder.

    A piece that is written is noted, so that a run that was cut off is gone on with. A file is
    right when its digest is: a power cut may leave notes of what never came to the disk.
    """

    def __init__(self, content: Content, folder: Path) -> None:
        """Nothing is looked at yet: ``whole`` or ``resume`` says what is there."""
        self.content, self.folder = content, folder
        self.have = 0
        self.right: set[int] = set()
        self._lock = threading.RLock()
        self._notes = -1

    def whole(self) -> None:
        """Another has proven that all of it is there: it is given, and never written."""
        self.have, self.right = self.content.all, set(range(len(self.content.files)))

    def resume(self) -> None:
        """Make the files, and find out what an earlier run left. Raises OSError; exits for room."""
        content = self.content
        self.folder.mkdir(parents=True, exist_ok=True)
        noted = self._read_notes()
        for number, file in enumerate(content.files):
            path = self.path(number)
            path.parent.mkdir(parents=True, exist_ok=True)
            size = path.stat().st_size if path.is_file() and not path.is_symlink() else None
            if size == file.size_bytes and noted is not None:
                self.have |= noted & content.bits_of(number)
            elif size == file.size_bytes and digest_of(path, file.digest) == file.digest:
                self.have |= content.bits_of(number)
                self.right.add(number)
        self._require_room()
        for number in range(len(content.files)):
            if not self.have & content.bits_of(number) and number not in self.right:
                self._make(number)
        self._write_notes()

    def _make(self, number: int) -> None:
        """Anew: what lies there is of another size, a link, or of another digest."""
        path = self.path(number)
        if path.is_symlink() or path.is_file():
            path.unlink()
        with path.open("wb") as out:
            out.truncate(self.content.files[number].size_bytes)

    def _require_room(self) -> None:
        left, free = self.left_bytes, shutil.disk_usage(self.folder).free
        if left > free:
            raise SystemExit(
                f"{self.content.label} needs {left >> 20} MiB, {free >> 20} MiB are free at "
                f"{self.folder}"
            )

    @property
    def left_bytes(self) -> int:
        """What is not there yet."""
        pieces, have = self.content.pieces, self.have
        return sum(p.size_bytes for n, p in enumerate(pieces) if not have >> n & 1)

    @property
    def is_right(self) -> bool:
        """Whether all files are there, and of their digests."""
        return len(self.right) == len(self.content.files)

    def path(self, number: int) -> Path:
        """Where a file is."""
        return self.folder / self.content.files[number].name

    def open_piece(self, piece: int) -> Any:
        """The file of a piece that is there, to be read. Raises LookupError where it is not."""
        with self._lock:  # not while it moves to its place
            if piece >= len(self.content.pieces) or not self.have >> piece & 1:
                raise LookupError(piece)
            return self.path(self.content.pieces[piece].file).open("rb")

    def writer(self, piece: int) -> Any:
        """The file of a piece, to be written at the piece's place."""
        part = self.content.pieces[piece]
        out = self.path(part.file).open("r+b", buffering=0)
        out.seek(part.start)
        return out

    def written(self, piece: int) -> int:
        """Note a piece; the number of its file where that is all there now, or -1."""
        number = self.content.pieces[piece].file
        bits = self.content.bits_of(number)
        with self._lock:
            self.have |= 1 << piece
            if self._notes >= 0:
                os.pwrite(self._notes, THERE, len(self._heading) + piece)
            return number if self.have & bits == bits else -1

    def compare(self, number: int) -> str:
        """The digest of a file that is all there; empty where it is the right one."""
        file = self.content.files[number]
        found = digest_of(self.path(number), file.digest)
        if found != file.digest:
            return found
        with self._lock:
            self.right.add(number)
        return ""

    def forget(self, number: int) -> None:
        """Have nothing of a file."""
        with self._lock:
            self.have &= ~self.content.bits_of(number)
            for piece in self.content.of_file[number]:
                os.pwrite(self._notes, b"0", len(self._heading) + piece)

    def to_compare(self) -> Iterator[int]:
        """Files that are all there and were not compared in this run, or are empty."""
        for number in range(len(self.content.files)):
            bits = self.content.bits_of(number)
            if number not in self.right and self.have & bits == bits:
                yield number

    def drop_notes(self) -> None:
        """All files are right: nothing is left to note."""
        if self._notes >= 0:
            os.close(self._notes)
            self._notes = -1
        (self.folder / NOTES).unlink(missing_ok=True)

    def move(self, target: Path, act: Any) -> None:
        """Do what puts the files in their place; they are given from there from then on."""
        with self._lock:
            act()
            self.folder = target

    # --- notes --------------------------------------------------------------------------------

    @property
    def _heading(self) -> bytes:
        return f"{self.content.key} {self.content.piece_bytes}\n".encode()

    def _read_notes(self) -> Any:
        """The pieces that are noted as bits; None without notes of this content."""
        try:
            text = (self.folder / NOTES).read_bytes()
        except OSError:
            return None
        if not text.startswith(self._heading):
            return None
        marks = text[len(self._heading) :]
        return sum(1 << n for n, mark in enumerate(marks) if mark == THERE[0]) & self.content.all

    def _write_notes(self) -> None:
        count = len(self.content.pieces)
        marks = bytes(b"01"[self.have >> piece & 1] for piece in range(count))
        self._notes = os.open(self.folder / NOTES, os.O_CREAT | os.O_TRUNC | os.O_RDWR, 0o644)
        os.pwrite(self._notes, self._heading + marks, 0)
