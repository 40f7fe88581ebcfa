"""A model in one GGUF file: there, downloaded where it has a URL, and of its digest."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from rackwright.remote.downloads.progress import say
from rackwright.remote.downloads.records import name_of
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
        return (stamps / name_of(path)).read_text()
    except OSError:
        return ""


def _stamped(path: Path, sha256: str) -> str:
    info = path.stat()
    return f"{path} {info.st_size} {info.st_mtime_ns} {sha256}"


def prove(model: Values, stamps: Path) -> None:
    """Compare a file that is there with its digest, and note that; exits where it is another."""
    from rackwright.remote.downloads.fetching import sha256_of  # HTTP: to look needs none of it

    path = Path(model["path"])
    if wrong := _outside(path, model["size_bytes"]):
        sys.exit(f"{wrong}: move it away" if path.exists() else wrong)
    say(f"comparing {path.name} with its digest")
    found = sha256_of(path)
    if found != model["sha256"]:
        sys.exit(f"{path} has the SHA-256 {found}, not {model['sha256']}: move it away")
    note(model, stamps)


def note(model: Values, stamps: Path) -> None:
    """Note that the file was found right, as it is now."""
    path = Path(model["path"])
    stamps.mkdir(parents=True, exist_ok=True)
    (stamps / name_of(path)).write_text(_stamped(path, model["sha256"]))


# --- a download -------------------------------------------------------------------------------


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")


def prepare(model: Values, request: Values) -> None:
    """The folders of a download, as the engine's user's."""
    path, below = Path(model["path"]), Path(request["below"])
    hand_over(path.parent, below, request["user"])
    if words := as_user(request["user"], lambda: _drop_former(_partial(path)), {}):
        sys.exit(words)
    hand_over(_partial(path), below, request["user"])


def _drop_former(partial: Path) -> None:
    """What an older release left of a download: one file, without a note of what is in it."""
    if partial.is_file() and not partial.is_symlink():
        partial.unlink()


def share(model: Values) -> Any:
    """The download, as the engine's user has it: a ``Share``."""
    from rackwright.remote.sideways.content import Content, File
    from rackwright.remote.sideways.exchange import Share

    path = Path(model["path"])
    content = Content(path.name, [File(*each) for each in model["known_files"]])
    return Share(content, _partial(path), lambda store: _settle(store, path))


def _settle(store: Any, path: Path) -> None:
    """Put it in its place; what appeared there meanwhile is somebody's, and stays."""
    partial = store.folder
    if path.exists() or path.is_symlink():
        sys.exit(f"{path} appeared during its download: move it or {partial} away")
    store.move(path.parent, lambda: (partial / path.name).rename(path))
    with suppress(OSError):
        partial.rmdir()
