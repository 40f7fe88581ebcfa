"""The files of a bundle fetched, each whole or not at all.

A file goes to ``FILE.partial`` first, and takes its name once its digest is right; one that was cut
off goes on where it stopped. ``.collected`` notes the digest of each by size and time, so that what
is there is not read again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from rackwright.bundling.fetching import FetchFailed, announced, fetch
from rackwright.bundling.manifest import BundledFile, is_inside
from rackwright.bundling.wanted import Wanted
from rackwright.errors import HostError, InputError

JOURNAL = ".collected"
TIMEOUT_S = 60
AT_ONCE = 4
MOST_NAMED = 10
"""Failures that are said in full; more of them mostly have one cause."""

Known = dict[str, tuple[int, int, str]]
"""Path to size, time (nanoseconds) and SHA-256."""


def there(folder: Path, wanted: Iterable[Wanted]) -> dict[str, BundledFile]:
    """Those of the files that are there whole, by path. One of another digest is left out."""
    known, found = _journal(folder), dict[str, BundledFile]()
    for one in wanted:
        path = folder / one.path
        if path.is_file() and not path.is_symlink():
            info = path.stat()
            size, time_ns, sha256 = known.get(one.path, (0, 0, ""))
            if (size, time_ns) != (info.st_size, info.st_mtime_ns):
                sha256 = digest_of(path)
                _note(folder, one.path, sha256)
            if one.sha256 in (None, sha256) and one.size_bytes in (None, info.st_size):
                found[one.path] = BundledFile(size_bytes=info.st_size, sha256=sha256)
    return found


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def require_room(folder: Path, wanted: Sequence[Wanted]) -> None:
    """Raise InputError where what is to come does not fit on the disk."""
    to_come = sum(one.size_bytes or 0 for one in wanted)
    free = shutil.disk_usage(folder).free
    if to_come > free:
        words = f"{to_come >> 20:,} MiB are to come, {free >> 20:,} MiB are free"
        raise InputError(f"{folder} is too small: {words}")


def sized(wanted: Sequence[Wanted]) -> list[Wanted]:
    """The same with the sizes that only their servers know. Raises HostError for absent ones."""
    failed: list[str] = []

    def ask(one: Wanted) -> Wanted:
        try:
            return announced(client, one)
        except FetchFailed as error:
            failed.append(str(error))
            return one

    with _client() as client, ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(ask, wanted))
    _refuse(failed, "nothing was fetched")
    return found


def collect(
    folder: Path, wanted: Sequence[Wanted], heard: Callable[[Wanted, int], None]
) -> dict[str, BundledFile]:
    """Fetch files, some at once. ``heard`` is told as each comes: how many of its bytes are there.

    Raises HostError with all that could not be had; the others are there then.
    """
    done: dict[str, BundledFile] = {}
    failed: list[str] = []

    def have(one: Wanted) -> None:
        try:
            done[one.path] = fetch(client, one, folder / one.path, lambda size: heard(one, size))
            _note(folder, one.path, done[one.path].sha256)
        except FetchFailed as error:
            failed.append(str(error))

    with _client() as client, ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(have, wanted))
    _refuse(failed, "what is there is kept: run it again to go on")
    return done


def left_over(folder: Path, files: Mapping[str, BundledFile]) -> dict[str, int]:
    """Files that earlier bundles in the folder needed, with their sizes: of those noted alone."""
    return {
        path: (folder / path).stat().st_size
        for path in sorted(_journal(folder))
        if path not in files and is_inside(path) and (folder / path).is_file()
    }


def _client() -> httpx.Client:
    return httpx.Client(follow_redirects=True, timeout=TIMEOUT_S)


def _refuse(failed: Sequence[str], then: str) -> None:
    if not failed:
        return
    more = len(failed) - MOST_NAMED
    lines = [*sorted(failed)[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])]
    noun = "file" if len(failed) == 1 else "files"
    raise HostError("\n  ".join([f"{len(failed)} {noun} could not be had; {then}", *lines]))


def _journal(folder: Path) -> Known:
    """What is noted; a last line that was cut off counts for nothing."""
    found: Known = {}
    try:
        lines = (folder / JOURNAL).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return found
    for line in lines:
        try:
            path, size, time_ns, sha256 = json.loads(line)
        except ValueError:
            continue
        found[path] = (size, time_ns, sha256)
    return found


def _note(folder: Path, path: str, sha256: str) -> None:
    info = (folder / path).stat()
    line = json.dumps([path, info.st_size, info.st_mtime_ns, sha256])
    with (folder / JOURNAL).open("a", encoding="utf-8") as journal:
        journal.write(f"{line}\n")
