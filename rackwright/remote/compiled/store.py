"""The seeds that a server keeps: a root-only folder with two files of each, by its digest.

``DIGEST.tar.gz`` is what was compiled, ``DIGEST.json`` what it is of, with its SHA-256.
``replicas/NAME.json`` says which one a replica's cache has by now.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from rackwright.remote.compiled.archive import COPY_BYTES, Unfit
from rackwright.remote.items.files import write

DIGEST = re.compile(r"[0-9a-f]{32}")
LEFT_OVER_S = 86400
"""Older than this, half a seed is of a run that was cut off."""

Values = dict[str, Any]


class Store:
    """The seeds in ``folder``."""

    def __init__(self, folder: str) -> None:
        """Made where it is not there; its parents are root's."""
        self.folder = Path(folder)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes it meanwhile. The folder is there, and root's alone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        (self.folder / "replicas").mkdir(mode=0o700, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def about(self, digest: str) -> Values | None:
        """What is written of a seed; None where there is none that is whole."""
        return _read(self._note(digest)) if self.tar(digest).is_file() else None

    def tar(self, digest: str) -> Path:
        """Where its tar file is, or would be."""
        if not DIGEST.fullmatch(digest):
            raise Unfit(f"{digest!a} is no name of a seed")
        return self.folder / f"{digest}.tar.gz"

    def _note(self, digest: str) -> Path:
        return self.tar(digest).with_name(f"{digest}.json")

    def all(self) -> list[Values]:
        """What is written of each seed, with its ``digest``, the newest first."""
        names = (path.name.partition(".")[0] for path in self.folder.glob("*.tar.gz"))
        known = ((name, self.about(name)) for name in names if DIGEST.fullmatch(name))
        found = ({**about, "digest": name} for name, about in known if about)
        return sorted(found, key=lambda one: -float(one.get("made_unix_s", 0)))

    def of_replica(self, name: str) -> Values:
        """Which seed a replica's cache has: ``digest``, and ``how`` it came to it."""
        return _read(self.folder / "replicas" / f"{name}.json") or {}

    def note_replica(self, name: str, **words: Any) -> None:
        """Remember that."""
        _write(self.folder / "replicas" / f"{name}.json", {"unix_s": time.time(), **words})

    @contextmanager
    def fresh(self, name: str) -> Iterator[Path]:
        """A file beside, that nobody else can read; gone where it was not ``kept``."""
        path = self.folder / f".{name}.partial"
        path.unlink(missing_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def keep(self, fresh: Path, digest: str, about: Values) -> None:
        """Have a whole file as the seed of that digest; the note goes last."""
        fresh.replace(self.tar(digest))
        _write(self._note(digest), about)

    def bound(self, most_bytes: int, spared: str) -> None:
        """Remove the oldest seeds beyond that size, but not one; and what cut off runs left."""
        total = 0
        for seed in sorted(self.all(), key=lambda one: one["digest"] != spared):
            total += self.tar(seed["digest"]).stat().st_size
            if total > most_bytes and seed["digest"] != spared:
                self._note(seed["digest"]).unlink(missing_ok=True)
                self.tar(seed["digest"]).unlink(missing_ok=True)
        for tar in self.folder.glob("*.tar.gz"):
            if not tar.with_name(tar.name.replace(".tar.gz", ".json")).exists():
                tar.unlink()
        for half in self.folder.glob(".*.partial"):
            with suppress(FileNotFoundError):
                if half.stat().st_mtime < time.time() - LEFT_OVER_S:
                    half.unlink()

    def piece(self, digest: str, offset: int, most: int) -> str:
        """Bytes of a seed, as text."""
        with self.tar(digest).open("rb") as file:
            file.seek(offset)
            return base64.b64encode(file.read(most)).decode()

    def partial(self, digest: str, carrier: str) -> Path:
        """Where what one carrier brings of a seed is put together."""
        if not re.fullmatch(r"[0-9a-f]{8}", carrier):
            raise Unfit(f"{carrier!a} is no name of a carrier")
        return self.tar(digest).with_name(f".{digest}.{carrier}.partial")

    def add(self, digest: str, carrier: str, offset: int, text: str) -> None:
        """Put a piece behind those before it. Raises Unfit where one is missing."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (os.O_TRUNC if not offset else 0)
        handle = os.open(self.partial(digest, carrier), flags, 0o600)
        with os.fdopen(handle, "wb") as file:
            if os.fstat(handle).st_size != offset:
                raise Unfit(f"a piece of seed {digest} does not follow the one before it")
            file.seek(offset)
            file.write(base64.b64decode(text))


def sha256_of(file: IO[bytes]) -> str:
    """Of all that is in an open file, from its beginning."""
    digest = hashlib.sha256()
    file.seek(0)
    for piece in iter(lambda: file.read(COPY_BYTES), b""):
        digest.update(piece)
    file.seek(0)
    return digest.hexdigest()


def _read(path: Path) -> Values | None:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _write(path: Path, value: Values) -> None:
    write(path, (json.dumps(value) + "\n").encode(), os.getuid(), os.getgid(), 0o600)
