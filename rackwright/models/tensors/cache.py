"""Headers that a hub gave, kept in the user's cache by repository and commit.

A commit never changes, so nothing kept is ever stale; what cannot be read is asked for again.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

from rackwright.models.tensors.files import read_headers
from rackwright.models.tensors.headers import Headers
from rackwright.own_cache import cache_folder

COMMIT = re.compile(r"[0-9a-f]{40}")


def cached(repo: str, revision: str) -> Headers | None:
    """What is kept of a repository at a commit; None where there is nothing that can be read."""
    if not COMMIT.fullmatch(revision):
        return None
    try:
        found = read_headers(_path(repo, revision))
    except ValueError:
        return None
    return found if (found.repo, found.revision) == (repo, revision) else None


def keep(headers: Headers) -> None:
    """Whole or not at all; where the cache cannot be written nothing is kept, and nothing lost."""
    if not COMMIT.fullmatch(headers.revision):
        return
    path = _path(headers.repo, headers.revision)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(headers.text())
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)


def _path(repo: str, revision: str) -> Path:
    return cache_folder("tensors") / repo / f"{revision}.json"
