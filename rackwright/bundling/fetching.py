"""One file by URL: whole or not at all, going on where it was cut off."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx

from rackwright.bundling.manifest import BundledFile
from rackwright.bundling.wanted import Wanted
from rackwright.causes.secrets import redacted
from rackwright.errors import HostError

BLOCK_BYTES = 1 << 20
TRIES = 5
"""Connections in a row that broke without a byte in between."""
WAIT_S = 1.0
LOCAL = ("file", "copy")
"""What is read from a disk; the latter is apt's."""


class FetchFailed(HostError):
    """Why a file could not be had, in words."""

    def __init__(self, words: str) -> None:
        """A mirror's URL may have a password in it, which is not said."""
        super().__init__(redacted(words))


class Broken(HostError):
    """A connection ended before the file did."""


def fetch(
    client: httpx.Client, wanted: Wanted, target: Path, heard: Callable[[int], None]
) -> BundledFile:
    """Have ``target`` with the digest that is wanted; ``heard`` is told how many bytes are there.

    Raises FetchFailed.
    """
    partial = target.with_name(f"{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if urlsplit(wanted.url).scheme in LOCAL:
            _copy(wanted, partial, heard)
        else:
            _download(client, wanted, partial, heard)
        return _settled(wanted, partial, target)
    except OSError as error:
        raise FetchFailed(f"{target}: {error.strerror or error}") from None


def _copy(wanted: Wanted, partial: Path, heard: Callable[[int], None]) -> None:
    source = Path(unquote(urlsplit(wanted.url).path))
    with source.open("rb") as content, partial.open("wb") as out:
        while block := content.read(BLOCK_BYTES):
            out.write(block)
            heard(out.tell())


def _download(
    client: httpx.Client, wanted: Wanted, partial: Path, heard: Callable[[int], None]
) -> None:
    tries, why = 0, ""
    while tries < TRIES:
        before = _size(partial)
        try:
            for size in _blocks(client, wanted, partial):
                heard(size)
            return
        except (httpx.HTTPError, Broken) as error:
            why = str(error) or type(error).__name__
        tries = 0 if _size(partial) > before else tries + 1
        time.sleep(WAIT_S * tries)
    raise FetchFailed(f"{wanted.url}: the connection broke {TRIES} times in a row: {why}")


def _blocks(client: httpx.Client, wanted: Wanted, partial: Path) -> Iterator[int]:
    """How many bytes are there, as they are written."""
    start = _size(partial)
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    if wanted.secret:
        headers["Authorization"] = f"Bearer {wanted.secret}"
    with client.stream("GET", wanted.url, headers=headers) as answer:
        if answer.status_code == 416 and start:  # all of it was there: its digest tells
            yield start
            return
        if answer.status_code >= 500:
            raise Broken(f"HTTP {answer.status_code}")
        if answer.status_code not in (200, 206):
            said = answer.headers.get("X-Error-Message", answer.reason_phrase)
            raise FetchFailed(f"{wanted.url}: HTTP {answer.status_code} {said}")
        with partial.open("ab" if answer.status_code == 206 else "wb") as out:
            for block in answer.iter_raw():
                out.write(block)
                yield out.tell()


def announced(client: httpx.Client, wanted: Wanted) -> Wanted:
    """With its size, where its server alone knows that. Raises FetchFailed for none."""
    if wanted.size_bytes is not None:
        return wanted
    if urlsplit(wanted.url).scheme in LOCAL:
        source = Path(unquote(urlsplit(wanted.url).path))
        if not source.is_file():
            raise FetchFailed(f"{wanted.url}: is no file")
        return replace(wanted, size_bytes=source.stat().st_size)
    try:
        answer = client.head(wanted.url, headers={"Accept-Encoding": "identity"})
    except httpx.HTTPError as error:
        raise FetchFailed(f"{wanted.url}: {error}") from None
    size = answer.headers.get("Content-Length", "")
    known = answer.status_code == 200 and size.isdigit()
    return replace(wanted, size_bytes=int(size)) if known else wanted


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _settled(wanted: Wanted, partial: Path, target: Path) -> BundledFile:
    """The file under its name. Of another digest than it must have it is removed."""
    size, sha256, blob = _digests(partial)
    wrong = ""
    if wanted.sha256 not in (None, sha256):
        wrong = f"has the SHA-256 {sha256}, not {wanted.sha256}"
    elif wanted.git_blob not in (None, blob):
        wrong = f"is git's blob {blob}, not {wanted.git_blob}"
    elif wanted.size_bytes not in (None, size):
        wrong = f"has {size} bytes, not {wanted.size_bytes}"
    if wrong:
        partial.unlink()
        raise FetchFailed(f"{wanted.url} {wrong}: it was removed")
    partial.replace(target)
    return BundledFile(size_bytes=size, sha256=sha256)


def _digests(path: Path) -> tuple[int, str, str]:
    """Size, SHA-256 and git's SHA-1 of a blob, the file read once."""
    size = path.stat().st_size
    sha256, blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size)
    with path.open("rb") as content:
        while block := content.read(BLOCK_BYTES):
            sha256.update(block)
            blob.update(block)
    return size, sha256.hexdigest(), blob.hexdigest()
