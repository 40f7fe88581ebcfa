"""A model in one GGUF file: there, downloaded where it has a URL, and of its digest."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

from rackwright.remote.downloads.fetching import fetch, sha256_of
from rackwright.remote.downloads.progress import say
from rackwright.remote.host.as_user import as_user, hand_over

Values = dict[str, Any]


def problems(model: Values, stamps: Path) -> str:
    """Why a GGUF file cannot be served, in words; empty when it can.

    Its digest takes minutes to compute, so a stamp says for which size and time it was found right.
    """
    path = Path(model["path"])
    if wrong := _outside(path, model["size_bytes"]):
        return wrong
    if _stamp(path, stamps) != _stamped(path, model["sha256"]):
        return f"{path} was not compared with its digest yet"
    return ""


def _outside(path: Path, size_bytes: int) -> str:
    """What is wrong with a file at first sight."""
    if not path.is_file():
        return f"{path} is not there"
    size = path.stat().st_size
    if size != size_bytes:
        return f"{path} has {size} bytes, not {size_bytes}"
    with path.open("rb") as content:
        return "" if content.read(4) == b"GGUF" else f"{path} is not a GGUF file"


def _stamp(path: Path, stamps: Path) -> str:
    try:
        return (stamps / _stamp_name(path)).read_text()
    except OSError:
        return ""


def _stamp_name(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()


def _stamped(path: Path, sha256: str) -> str:
    info = path.stat()
    return f"{path} {info.st_size} {info.st_mtime_ns} {sha256}"


def have(model: Values, request: Values) -> None:
    """Download a GGUF file where it has a URL, compare it with its digest, and note that."""
    path, stamps = Path(model["path"]), Path(request["stamps"])
    if model["url"] and not path.exists():
        hand_over(path.parent, Path(request["below"]), request["user"])
        if words := as_user(
            request["user"], lambda: _fetch(model, request), request["environment"]
        ):
            say(words)
            sys.exit("download failed: see above")
    if wrong := _outside(path, model["size_bytes"]):
        sys.exit(f"{wrong}: move it away" if path.exists() else wrong)
    say(f"comparing {path.name} with its digest")
    found = sha256_of(path)
    if found != model["sha256"]:
        sys.exit(f"{path} has the SHA-256 {found}, not {model['sha256']}: move it away")
    stamps.mkdir(parents=True, exist_ok=True)
    (stamps / _stamp_name(path)).write_text(_stamped(path, found))


def _fetch(model: Values, request: Values) -> None:
    token = request["environment"].get("HF_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    fetch(model["url"], Path(model["path"]), model["sha256"], headers)
