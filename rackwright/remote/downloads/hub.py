"""What a Hugging Face repository holds at a revision: its files, by name, size and digest.

The answers are huggingface_hub's own (``/api/models/{repo}/tree/{revision}``): a large file is
known by its SHA-256, a small one by the name that git gives its content.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urljoin, urlsplit

from rackwright.remote.downloads.fetching import opened
from rackwright.remote.downloads.progress import say

MOST_BYTES = 32 << 20
"""Of one page: a thousand files have some 300 kB."""
MOST_PAGES = 100
TRIES = 5
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?')

Row = list[Any]


def files_of(hub: str, repo: str, revision: str, headers: Mapping[str, str]) -> list[Row]:
    """``[name, size_bytes, digest, url]`` of each file; exits with what is wrong, in words."""
    url: str | None = f"{hub}/api/models/{repo}/tree/{revision}?recursive=true"
    base, rows = f"{hub}/{repo}/resolve/{revision}", []
    for _ in range(MOST_PAGES):
        if url is None:
            break
        entries, url = _page(url, headers)
        try:
            rows += [_row(entry, base) for entry in entries if entry["type"] == "file"]
        except (LookupError, TypeError, AttributeError):
            raise SystemExit(f"{hub}: its list of {repo} cannot be read") from None
    if not rows:
        raise SystemExit(f"{hub}: {repo} has no files at {revision}")
    return rows


def _row(entry: Any, base: str) -> Row:
    lfs = entry.get("lfs")
    digest = f"sha256:{lfs['oid']}" if lfs else f"git:{entry['oid']}"
    size_bytes = lfs["size"] if lfs else entry["size"]
    return [entry["path"], size_bytes, digest, f"{base}/{quote(entry['path'])}"]


def _page(url: str, headers: Mapping[str, str]) -> tuple[list[Any], str | None]:
    """Entries, and where the next are. The next page is the same host's, or none."""
    for tried in range(1, TRIES + 1):
        try:
            with opened(url, headers) as answer:
                entries = json.loads(answer.read(MOST_BYTES))
                found = _NEXT.search(answer.headers.get("Link") or "")
            following = urljoin(url, found[1]) if found else None
            if following and urlsplit(following)[:2] != urlsplit(url)[:2]:
                following = None
            if not isinstance(entries, list):
                raise ValueError("no list")
            return entries, following
        except HTTPError as error:
            if error.code < 500 and error.code != 429:
                raise SystemExit(f"{url}: HTTP {error.code} {error.reason}") from None
            words = f"HTTP {error.code}"
        except (OSError, HTTPException, ValueError, RecursionError) as error:
            words = str(error)
        if tried < TRIES:
            say(f"{url}: {words}: trying again")
            time.sleep(2**tried)
    raise SystemExit(f"{url}: {words}: {TRIES} times in a row")
