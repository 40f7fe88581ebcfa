"""The files of a model beside those that are locked: all of them, no other, each of its digest."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rackwright.remote.downloads.progress import say
from rackwright.remote.downloads.records import LOCKED, name_of

Files = dict[str, Any]
"""SHA-256 and size in bytes (or None) by path in the folder, as pairs."""
BROKEN = ".broken"


def at_first_sight(folder: Path, files: Files) -> str:
    """What is wrong without reading a file; empty where nothing is, or nothing is locked."""
    if not files:
        return ""
    for name, (_, size) in sorted(files.items()):
        path = folder / name
        if not path.is_file():
            return f"{folder} lacks {name}, which is locked"
        if size is not None and path.stat().st_size != size:
            return f"{path} has {path.stat().st_size} bytes, {size} are locked"
    if others := sorted(set(_loaded(folder)) - set(files)):
        return f"{folder} has {others[0]}, which is not locked"
    return ""


def _loaded(folder: Path) -> list[str]:
    """What an engine may load of a folder, by path in it; not what is being fetched."""
    found = (path for path in folder.rglob("*") if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in found)
    kinds = (".safetensors", ".bin", ".json", ".jinja", ".model", ".py", ".txt")
    return [name for name in names if name.endswith(kinds) and not name.startswith(".")]


def listed(folder: Path, known: Files) -> Files:
    """All but hidden files of a folder; those ``known`` by name and size are not read again."""
    from rackwright.remote.downloads.fetching import sha256_of  # HTTP: to look needs none of it

    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in name.split("/")) or not path.is_file():
            continue
        size = path.stat().st_size
        sha256, before = known.get(name) or (None, None)
        found[name] = [sha256 if size == before else sha256_of(path), size]
    return found


def problems(folder: Path, files: Files, stamps: Path) -> str:
    """Why a folder is not what is locked; empty where it is.

    Digests take minutes to compute, so a stamp says for which sizes and times they were right.
    """
    if not files:
        return ""
    if wrong := at_first_sight(folder, files):
        return wrong
    try:
        same = (stamps / _stamp_name(folder)).read_text() == _stamp(folder, files)
    except OSError:
        same = False
    return "" if same else f"{folder} was not compared with its digests yet"


def _stamp_name(folder: Path) -> str:
    return f"{name_of(folder)}{LOCKED}"


def _stamp(folder: Path, files: Files) -> str:
    lines = []
    for name, (sha256, _) in sorted(files.items()):
        info = (folder / name).stat()
        lines.append(f"{name} {info.st_size} {info.st_mtime_ns} {sha256}")
    return "\n".join(lines)


def compare(folder: Path, files: Files, stamps: Path, ours: bool) -> None:
    """Compare all files with their digests, and note that; exits with the first that is another.

    In a folder of ours (a download) that one is set aside, so that the next run fetches it.
    """
    from rackwright.remote.downloads.fetching import sha256_of

    before = _stamp(folder, files)
    for name, (sha256, _) in sorted(files.items()):
        say(f"comparing {name} with its digest")
        found = sha256_of(folder / name)
        if found == sha256:
            continue
        if ours:
            (folder / name).rename(folder / f"{name}{BROKEN}")
        done = "it is set aside; the next run fetches it" if ours else "move it away, or lock it"
        sys.exit(f"{folder / name} has the SHA-256 {found}, {sha256} is locked: {done}")
    _note(folder, before, stamps)


def note(folder: Path, files: Files, stamps: Path) -> None:
    """Note that the files were found right, as they are now."""
    _note(folder, _stamp(folder, files), stamps)


def _note(folder: Path, stamp: str, stamps: Path) -> None:
    stamps.mkdir(parents=True, exist_ok=True)
    (stamps / _stamp_name(folder)).write_text(stamp)
