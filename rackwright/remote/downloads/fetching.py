"""On the host: one file by URL, known by its digest, whole or not at all.

It goes to ``FILE.partial``; a download that was cut off goes on where it stopped. A file whose
digest is another is removed and never takes its name.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError
from urllib.parse import urlsplit

from rackwright.remote.downloads.progress import progress, say

BLOCK_BYTES = 1 << 20
TIMEOUT_S = 60
TRIES = 5
"""Connections that break without a byte in between; one that moves on starts the count anew."""
PROGRESS_EVERY_S = 2.0


def sha256_of(path: Path) -> str:
    """Digest of a file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while block := content.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def fetch(url: str, target: Path, sha256: str, headers: Mapping[str, str] | None = None) -> None:
    """Have ``target`` with that digest; exits with what is wrong, in words.

    ``headers`` (a token) go to the host of ``url`` alone, not to where it redirects.
    """
    if target.exists() and sha256_of(target) == sha256:
        return
    partial = target.with_name(f"{target.name}.partial")
    tries = 0
    while not _download(url, partial, headers or {}):
        tries = 0 if _grew(partial) else tries + 1
        if tries >= TRIES:
            sys.exit(f"{url}: the connection broke {TRIES} times in a row")
        time.sleep(min(2**tries, 30))
    found = sha256_of(partial)
    if found != sha256:
        partial.unlink()
        sys.exit(f"{url} has the SHA-256 {found}, not {sha256}: it was removed")
    partial.replace(target)


_sizes: dict[Path, int] = {}


def _grew(partial: Path) -> bool:
    size = partial.stat().st_size if partial.exists() else 0
    before, _sizes[partial] = _sizes.get(partial, -1), size
    return size > before


class _Redirect(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to another host without the headers that were meant for the first."""

    def redirect_request(self, req: Any, *rest: Any) -> Any:
        """The request for where it leads."""
        request = super().redirect_request(req, *rest)
        if request and urlsplit(request.full_url).netloc != urlsplit(req.full_url).netloc:
            request.remove_header("Authorization")
        return request


def opened(url: str, headers: Mapping[str, str]) -> Any:
    """The open answer; a token in ``headers`` goes to the host of ``url`` alone.

    Raises HTTPError, which is an OSError as all else that may go wrong, or HTTPException.
    """
    return _open(urllib.request.Request(url, headers=dict(headers)))


def _open(request: urllib.request.Request) -> Any:
    return urllib.request.build_opener(_Redirect).open(request, timeout=TIMEOUT_S)


def _download(url: str, partial: Path, headers: Mapping[str, str]) -> bool:
    """Whether the rest of the file arrived; False where the connection broke."""
    start = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers=dict(headers))
    if start and urlsplit(url).scheme != "file":
        request.add_header("Range", f"bytes={start}-")
    try:
        with _open(request) as answer:
            resumed = getattr(answer, "status", 200) == 206
            with partial.open("ab" if resumed else "wb") as out:
                _copy(answer, out, url, start if resumed else 0)
    except HTTPError as error:
        return _refused(error, url, partial)
    except (OSError, HTTPException) as error:
        say(f"{url}: {error}: trying again")
        return False
    return True


def _refused(error: HTTPError, url: str, partial: Path) -> bool:
    """416 means that all of it was there already; the digest tells whether it is right."""
    if error.code == 416:
        return partial.exists()
    if error.code >= 500:
        say(f"{url}: HTTP {error.code}: trying again")
        return False
    sys.exit(f"{url}: HTTP {error.code} {error.reason}")


def _copy(answer: Any, out: BinaryIO, url: str, start: int) -> None:
    left = int(answer.headers.get("Content-Length") or 0)
    total, done, said = start + left, start, time.monotonic()
    free = shutil.disk_usage(Path(out.name).parent).free
    if left > free:
        sys.exit(f"{url} needs {left >> 20} MiB, {free >> 20} MiB are free at {out.name}")
    name = url.rpartition("/")[2]
    while block := answer.read(BLOCK_BYTES):
        out.write(block)
        done += len(block)
        if time.monotonic() - said > PROGRESS_EVERY_S:
            said = time.monotonic()
            share = f" of {total >> 20}" if total else ""
            progress(f"{name}: {done >> 20}{share} MiB")
    if total and done < total:
        raise OSError(f"ended after {done} of {total} bytes")
