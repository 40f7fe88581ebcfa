"""Releases and weights of ours on a host: by their names, in our folders, with what they take."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rackwright.remote.host.owners import owner_of
from rackwright.remote.items.own import foreign

RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,100}-[0-9a-f]{12}|[0-9a-f]{12}")
BESIDE = (".txt", ".download")
"""Files of a release that lie beside its folder, by how their names end."""
REVISION = re.compile(r"[0-9a-f]{40}")
PARTIAL, ASIDE, GGUF = ".partial", ".rackwright-old", ".gguf"
BLOCK_BYTES = 512
"""Of ``st_blocks`` (stat(2))."""

Values = dict[str, Any]


class Ours(NamedTuple):
    """What may go: a path, with what lies beside it and goes with it."""

    kind: str
    path: Path
    beside: tuple[Path, ...] = ()


def all_of_ours(request: Values) -> Iterator[Ours]:
    """Releases and weights. None in a root folder that is not ours."""
    root = Path(request["root"])
    ours = not foreign(root, {"inside": request["inside"], "owner": "root"})
    for folder in map(Path, request["releases"]) if ours else ():
        yield from _releases(folder)
    yield from _weights(Path(request["models"]))


def _releases(folder: Path) -> Iterator[Ours]:
    """Each with its files beside; those whose folder is gone already, too."""
    names: dict[str, list[Path]] = {}
    for entry in entries(folder):
        name = without(entry.name, BESIDE)
        if entry.name.endswith(ASIDE):
            yield Ours("release", entry)
        elif RELEASE.fullmatch(name):
            names.setdefault(name, []).append(entry)
    for name, its in sorted(names.items()):
        yield Ours("release", folder / name, tuple(e for e in its if e.name != name))


def without(name: str, ends: Sequence[str]) -> str:
    """A name without the first of these ends that it has."""
    return next((name[: -len(end)] for end in ends if name.endswith(end)), name)


def _weights(models: Path) -> Iterator[Ours]:
    for repository in entries(models):
        for entry in entries(repository):
            if entry.name.endswith(ASIDE):
                yield Ours("weights", entry)
            elif REVISION.fullmatch(without(entry.name, (PARTIAL,))):
                yield from _of_revision(entry)


def _of_revision(folder: Path) -> Iterator[Ours]:
    """A repository, or each of its GGUF files that were fetched alone."""
    ends = (GGUF, f"{GGUF}{PARTIAL}", ASIDE)
    files = [one for one in entries(folder) if one.name.endswith(ends)]
    if not files or (folder / "config.json").exists() or folder.name.endswith(PARTIAL):
        yield Ours("weights", folder)
        return
    for file in files:
        yield Ours("weights", file)


def entries(folder: Path) -> list[Path]:
    """What is in a folder that is no link; nothing where there is none."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    return sorted(folder.iterdir())


def whose_else(one: Ours, request: Values) -> str:
    """Whose it is, where not ours, in words."""
    ours = 0 if one.kind == "release" else _uid(request["user"])
    deep = one.kind == "weights"
    for path in (one.path, *one.beside):
        for info in _infos(path, deep):
            if info.st_uid != ours:
                return f"{owner_of(info)} has put something there"
    return ""


def _uid(name: str) -> int:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return -1


def _infos(path: Path, deep: bool) -> Iterator[os.stat_result]:
    """Of a path, and of all below it; no link is followed."""
    try:
        info = path.lstat()
    except FileNotFoundError:
        return
    yield info
    if deep and stat.S_ISDIR(info.st_mode):
        for below, folders, files in os.walk(path):
            for name in (*folders, *files):
                with contextlib.suppress(FileNotFoundError):
                    yield Path(below, name).lstat()


def freed_bytes(path: Path) -> int:
    """What its removal frees: not what has another name elsewhere, as in uv's cache."""
    links: dict[tuple[int, int], int] = {}
    total = 0
    for info in _infos(path, deep=True):
        if info.st_nlink > 1 and not stat.S_ISDIR(info.st_mode):
            key = (info.st_dev, info.st_ino)
            links[key] = links.get(key, 0) + 1
            if links[key] < info.st_nlink:
                continue
        total += info.st_blocks * BLOCK_BYTES
    return total
