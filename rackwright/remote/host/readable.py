"""Whether an engine's user can read what lies at a path, tried as that user, each file of it.

Root reads everything, and a unit's ``ProtectHome`` hides people's homes from a user who may read
them, also where a link leads there.
"""

from __future__ import annotations

import os
import pwd
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rackwright.remote.host.as_user import as_user
from rackwright.remote.host.owners import owner_of

HIDDEN = ("/home", "/root", "/run/user")
"""What ``ProtectHome=yes`` hides from a unit (systemd.exec(5))."""


def why_closed(path: Path, name: str) -> str:
    """Why the user of that name cannot read a file, or a folder's files; empty where all is read.

    Empty too where there is nothing, or no such user yet: others say that.
    """
    try:
        pwd.getpwnam(name)
    except KeyError:
        return ""
    files = sorted(_files(path))
    for file in files:
        if hidden := _hidden(file):
            return f"{file} is below {hidden}, which engines do not see (ProtectHome): move it"
    ways = {str(file): _way(file) for file in files}
    return as_user(name, lambda: _exit_where_closed(ways, name), {})


def _files(path: Path) -> Iterator[Path]:
    """The files that an engine may open; a folder's own list of them is one more."""
    if not path.is_dir():
        yield from [path] if path.exists() else []
        return
    yield path
    for file in path.iterdir():
        if not file.name.startswith(".") and not file.is_dir():
            yield file


def _hidden(file: Path) -> str:
    real = Path(os.path.realpath(file))
    roots = (root for root in HIDDEN if Path(os.path.realpath(root)) in (real, *real.parents))
    return next(roots, "")


def _way(file: Path) -> list[tuple[str, int]]:
    """What has to be open for a file to be read, each with its right, the file itself last."""
    real = Path(os.path.realpath(file))
    passed = dict.fromkeys([*reversed(file.parents), *reversed(real.parents)])
    last = os.R_OK | os.X_OK if real.is_dir() else os.R_OK
    return [*((str(folder), os.X_OK) for folder in passed), (str(real), last), (str(file), last)]


def _exit_where_closed(ways: Mapping[str, Sequence[tuple[str, int]]], name: str) -> None:
    """Of the process that tries: end with the first way that is closed, in words."""
    for file, way in ways.items():
        for place, right in way:
            if not os.access(place, right):
                sys.exit(_words(file, place, name))


def _words(file: str, culprit: str, name: str) -> str:
    info = Path(culprit).stat()
    passage = stat.S_ISDIR(info.st_mode) and file != culprit
    right = "x" if passage else "rx" if stat.S_ISDIR(info.st_mode) else "r"
    mode = f"{stat.filemode(info.st_mode)} of {owner_of(info)}"
    return f"{name} cannot read {file}: {culprit} is {mode} (chmod o+{right} {culprit})"
