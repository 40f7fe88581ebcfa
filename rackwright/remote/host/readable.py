"""Whether an engine's user can read what lies at a path, tried as that user, each file of it.

Root reads everything, and a unit's ``ProtectHome`` hides people's homes from a user who may read
them, also where a link leads there.
"""

from __future__ import annotations

import json
import os
import pwd
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

HIDDEN = ("/home", "/root", "/run/user")
"""What ``ProtectHome=yes`` hides from a unit (systemd.exec(5))."""


def why_closed(path: Path, name: str) -> str:
    """Why the user of that name cannot read a file, or a folder's files; empty where all is read.

    Empty too where there is nothing, or no such user yet: others say that.
    """
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        return ""
    files = sorted(_files(path))
    for file in files:
        if hidden := _hidden(file):
            return f"{file} is below {hidden}, which engines do not see (ProtectHome): move it"
    closed = _tried([_way(file) for file in files], user)
    return _words(str(files[closed[0]]), closed[1], name) if closed else ""


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


def _tried(ways: Sequence[Sequence[tuple[str, int]]], user: pwd.struct_passwd) -> list[Any]:
    """The number of the first way that is closed, and what closes it; tried in a child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.initgroups(user.pw_name, user.pw_gid)  # as systemd does for a unit's user
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            os.write(writing, json.dumps(_first_closed(ways)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        told = answer.read()
    os.waitpid(child, 0)
    closed: list[Any] = json.loads(told)
    return closed


def _first_closed(ways: Sequence[Sequence[tuple[str, int]]]) -> tuple[()] | tuple[int, str]:
    for number, way in enumerate(ways):
        for place, right in way:
            if not os.access(place, right):
                return number, place
    return ()


def _words(file: str, culprit: str, name: str) -> str:
    info = Path(culprit).stat()
    passage = stat.S_ISDIR(info.st_mode) and file != culprit
    right = "x" if passage else "rx" if stat.S_ISDIR(info.st_mode) else "r"
    mode = f"{stat.filemode(info.st_mode)} of {_owner(info.st_uid)}"
    return f"{name} cannot read {file}: {culprit} is {mode} (chmod o+{right} {culprit})"


def _owner(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
