"""What of a host only the host knows, and what a manifest notes of it: versions, holds, weights.

Nothing here is a time, a number that counts on, or an address: a server that is installed anew has
the same.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rackwright.remote.host.digests import sha256_hex
from rackwright.remote.host.operating_system import os_release
from rackwright.remote.items import packages

BLOCK = 1 << 20
AT_ONCE = 8
"""Files that are read at once: one thread digests about 1.5 GB a second."""
BEHIND = 10
"""How far those who digest stand behind all others: replicas serve meanwhile."""
HELD = "hold "
DIST_INFO = re.compile(r"(.+?)-([^-]+)\.dist-info")

Values = dict[str, Any]
Known = Mapping[str, Mapping[str, Sequence[Any]]]
"""Of folders and files of weights: by name the size, the time (ns) and the digest of each file."""


def system() -> Values:
    """The release of the distribution."""
    said = os_release()
    return {"id": said.get("ID", ""), "version_id": said.get("VERSION_ID", "")}


def versions(names: Sequence[str]) -> dict[str, Values]:
    """Version and hold of packages by name, of those that are installed."""
    found = packages.installed(names)
    return {
        name: {"version": one["version"], "hold": one["status"].startswith(HELD)}
        for name, one in sorted(found.items())
        if one["status"].endswith(" ok installed")
    }


def distributions(folder: str) -> dict[str, str]:
    """Version of each Python package in a release, by the name of what pip and uv leave of it."""
    found = Path(folder).glob("lib/python3*/site-packages/*.dist-info")
    names = filter(None, (DIST_INFO.fullmatch(path.name) for path in found))
    return dict(sorted((re.sub(r"[-_.]+", "-", n[1]).lower(), n[2]) for n in names))


def weights(path: str) -> dict[str, tuple[int, int]]:
    """Size and time (ns) of each file of a folder of weights by its name, or of the one file."""
    place = Path(path)
    if place.is_file():
        return {place.name: _size_and_time(place)}
    found = ((name, place / name) for name in _names(place))
    return {name: _size_and_time(file) for name, file in sorted(found) if file.is_file()}


def _names(folder: Path) -> Iterator[str]:
    """Files below a folder; what is hidden is notes of who fetched them."""
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in files:
            if not name.startswith("."):
                yield str((Path(at) / name).relative_to(folder))


def _size_and_time(path: Path) -> tuple[int, int]:
    info = path.stat()
    return info.st_size, info.st_mtime_ns


def place_of(path: str, name: str) -> Path:
    """A file of weights, by the name that ``weights`` has for it."""
    return Path(path) if Path(path).is_file() else Path(path) / name


def digests(files: Sequence[Path]) -> list[str]:
    """SHA-256 of each, in hex; they are read several at once, behind all others."""
    if not files:
        return []
    from concurrent.futures import ThreadPoolExecutor  # slow to load: to look needs none of it

    os.nice(BEHIND)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(_sha256, files))


def _sha256(path: Path) -> str:
    import hashlib

    digest = hashlib.sha256()
    with path.open("rb") as content:
        while block := content.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def canonical(value: Any) -> bytes:
    """The same bytes for equal values."""
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def digest_of(value: Any) -> str:
    """SHA-256 of a value's canonical text, in hex."""
    return sha256_hex(canonical(value))
