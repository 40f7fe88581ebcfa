"""The files of a model's revision, as the hub lists them: sizes and SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from rackwright.errors import HostError
from rackwright.locking.lock import File
from rackwright.locking.outside import Outside

MOST_FILES = 1000
"""Of one page of the hub's list; a model with more would need the next one."""
AT_ONCE = 8
NOT_KEPT = (".gitattributes",)
"""What a repository has for git alone."""


def files_of(hub: str, repo: str, revision: str, outside: Outside) -> dict[str, File]:
    """Files by path. Small ones are in git without a SHA-256: these are fetched, and computed.

    ``hub`` is a URL. Raises HostError where the hub does not say, or says what cannot be.
    """
    entries = _listed(f"{hub}/api/models/{repo}/tree/{revision}?recursive=true", outside)
    small = [path for path, entry in entries.items() if "lfs" not in entry]
    urls = [f"{hub}/{repo}/resolve/{revision}/{quote(path)}" for path in small]
    with ThreadPoolExecutor(AT_ONCE) as asking:
        contents = dict(zip(small, asking.map(outside.get, urls), strict=True))
    try:
        return dict(sorted(_files(entries, contents)))
    except (KeyError, TypeError, ValueError) as error:
        raise HostError(f"what the hub says of {repo} cannot be read ({error!r})") from None


def _listed(url: str, outside: Outside) -> dict[str, Mapping[str, Any]]:
    try:
        entries = json.loads(outside.get(url))
        if not isinstance(entries, list) or not 0 < len(entries) < MOST_FILES:
            raise ValueError(f"it lists {len(entries)} files")
        files = {str(one["path"]): one for one in entries if one["type"] == "file"}
    except (KeyError, RecursionError, TypeError, ValueError) as error:
        raise HostError(f"{url}: its answer cannot be read ({error!r})") from None
    return {path: one for path, one in files.items() if path not in NOT_KEPT}


def _files(
    entries: Mapping[str, Mapping[str, Any]], contents: Mapping[str, bytes]
) -> Iterator[tuple[str, File]]:
    for path, entry in entries.items():
        if path not in contents:
            yield path, File(sha256=entry["lfs"]["oid"], size_bytes=entry["lfs"]["size"])
            continue
        content = contents[path]
        if len(content) != entry["size"]:
            raise ValueError(f"{path} has {len(content)} bytes, {entry['size']} are listed")
        yield path, File(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
