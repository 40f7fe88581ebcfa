"""Which paths of a host are ours: nothing else is made, altered or removed, whatever is asked."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

from rackwright.remote.host.owners import owner_of
from rackwright.remote.host.reserved import is_system_folder
from rackwright.remote.host.running import Failed

PROJECT, MARK = "rackwright", ".rackwright"
"""A folder of this name, or with a file of that name in it, is ours; we leave one in our own."""
NAMED = 3

Values = dict[str, Any]


def foreign(folder: Path, asked: Values) -> str:
    """Why a folder is none of ours, in words; empty where it is, or is not there yet.

    It is the system's, or it holds things and none that we make there: ``inside`` are the names of
    those. One that has our name, or is our user's, is ours; one without such names lies in another.
    """
    if is_system_folder(str(folder)) or is_system_folder(str(folder.resolve())):
        return "is one of the system's folders"
    known = {*asked.get("inside", ()), MARK}
    if len(known) == 1 or folder.name == PROJECT or not folder.is_dir():
        return ""
    if _is_of_our_user(folder, asked["owner"]):
        return ""
    names = sorted({path.name for path in folder.iterdir()} - {"lost+found"})
    return f"holds {', '.join(names[:NAMED])}" if names and not known & set(names) else ""


def _is_of_our_user(folder: Path, owner: str) -> bool:
    return owner != "root" and owner_of(folder.lstat()) == owner


def mark(handle: int) -> None:
    """Leave our mark in an open folder that is empty: it is known later, whatever comes into it."""
    with os.scandir(handle) as entries:
        if any(entries):
            return
    os.close(os.open(MARK, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644, dir_fd=handle))


def refuse_foreign(change: Values) -> None:
    """Raise Failed for a path that is not ours."""
    path = Path(change["key"])
    if not path.is_absolute() or ".." in path.parts or not str(path).isprintable():
        raise Failed(f"{str(path)!a} is no plain absolute path: it is left alone")
    for place in path.parents:
        _refuse_link(place)
    if change["kind"] == "directory":
        _refuse_folder(path, change)


def _refuse_link(place: Path) -> None:
    """A link that a user made leads where that user wants; one of root's is the operator's."""
    try:
        info = place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISLNK(info.st_mode) and info.st_uid not in (0, os.getuid()):
        raise Failed(f"{place} is a link that {owner_of(info)} made: nothing is done beyond it")


def _refuse_folder(path: Path, change: Values) -> None:
    if why := foreign(path, change):
        raise Failed(
            f"{path} {why}, Rackwright did not make it: it is left alone. Choose another folder; "
            f"if it is meant for Rackwright alone, `touch {path}/{MARK}`"
        )
