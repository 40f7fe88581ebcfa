"""The files of a model at its pinned revision, as the hub lists them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from rackwright.bundling.manifest import is_inside
from rackwright.bundling.wanted import Wanted
from rackwright.errors import HostError
from rackwright.locking import ModelPin

FOLDER = "models"
KIND = "models"
TIMEOUT_S = 60
_NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')


def folder_of(pin: ModelPin) -> str:
    """Where a model lies in a bundle."""
    assert pin.repo and pin.revision
    return f"{FOLDER}/{pin.repo.replace('/', '--')}/{pin.revision}"


def files_of(pin: ModelPin, hub: str, token: str) -> dict[str, Wanted]:
    """Each file by its name in the repository: all of them, or the one that the pin names.

    Raises HostError where the hub gives no such list.
    """
    if pin.file:
        size, sha256 = pin.size_bytes, pin.sha256
        return {pin.file: _wanted(pin, hub, token, pin.file, size, sha256, None)}
    found: dict[str, Wanted] = {}
    for entry in _tree(pin, hub, token):
        name, lfs = str(entry["path"]), entry.get("lfs") or {}
        if not is_inside(name):
            raise HostError(f"{pin.repo}: the hub lists a file of another place: {name!r}")
        blob = None if lfs else str(entry["oid"])
        found[name] = _wanted(pin, hub, token, name, int(entry["size"]), lfs.get("oid"), blob)
    return found


def _wanted(
    pin: ModelPin,
    hub: str,
    token: str,
    name: str,
    size: int | None,
    sha256: str | None,
    blob: str | None,
) -> Wanted:
    url = f"{hub.rstrip('/')}/{pin.repo}/resolve/{pin.revision}/{quote(name)}"
    return Wanted(f"{folder_of(pin)}/{name}", url, KIND, size, sha256, blob, token)


def _tree(pin: ModelPin, hub: str, token: str) -> Iterator[Mapping[str, Any]]:
    where = f"{pin.repo}@{(pin.revision or '')[:12]}"
    url: str | None = f"{hub.rstrip('/')}/api/models/{pin.repo}/tree/{pin.revision}?recursive=true"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with httpx.Client(timeout=TIMEOUT_S, follow_redirects=True, headers=headers) as client:
            while url:
                answer = client.get(url)
                if answer.status_code != 200:
                    said = answer.headers.get("X-Error-Message", answer.reason_phrase)
                    raise HostError(f"{where}: HTTP {answer.status_code} {said}")
                yield from (entry for entry in answer.json() if entry["type"] == "file")
                more = _NEXT.search(answer.headers.get("Link", ""))
                url = more[1] if more else None
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise HostError(f"{where}: the hub gave no list of its files: {error!r}") from None
