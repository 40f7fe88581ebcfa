"""Folders, files and links: mode, owner and content, replaced whole."""

from __future__ import annotations

import base64
import grp
import os
import pwd
import stat
from pathlib import Path
from typing import Any

from rackwright.remote.host.digests import sha256_hex
from rackwright.remote.host.owners import group_of, owner_of
from rackwright.remote.host.running import Failed
from rackwright.remote.items import own

Values = dict[str, Any]


def seen(query: Values) -> Values:
    """What there is at a path, links not followed; nothing where there is nothing."""
    path = Path(query["key"])
    try:
        info = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    found = {"mode": stat.S_IMODE(info.st_mode), "owner": owner_of(info), "group": group_of(info)}
    if stat.S_ISLNK(info.st_mode):
        target = {"target": str(path.readlink()), "leads": path.exists()}
        return {**found, "type": "link", **target}
    if stat.S_ISDIR(info.st_mode):
        return {**found, "type": "directory", "foreign": own.foreign(path, query)}
    if not stat.S_ISREG(info.st_mode):
        return {**found, "type": "special file"}
    content = path.read_bytes()
    digest = sha256_hex(content)
    shown = query.get("text") and digest != query.get("sha256")
    text = content.decode(errors="replace") if shown else None
    return {**found, "type": "file", "sha256": digest, "text": text}


def make_file(change: Values) -> None:
    """Written whole, then put in its place."""
    path = Path(change["key"])
    _refuse(path, path.is_dir() and not path.is_symlink(), "a file")
    _make_parents(path)
    write(path, base64.b64decode(change["content"]), *_ids(change), change["mode"])


def make_directory(change: Values) -> None:
    """Mode and owner are set on what was opened: in a folder that others own, a path may turn."""
    path = Path(change["key"])
    _refuse(path, path.is_symlink() or (path.exists() and not path.is_dir()), "a directory")
    _make_parents(path)
    path.mkdir(mode=0o755, exist_ok=True)
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(handle, *_ids(change))
        os.fchmod(handle, change["mode"])
        if change.get("inside"):
            own.mark(handle)
    finally:
        os.close(handle)


def make_link(change: Values) -> None:
    """Made beside, then put in its place."""
    path = Path(change["key"])
    _refuse(path, path.exists() and not path.is_symlink(), "a link")
    _make_parents(path)
    fresh = path.with_name(f".{path.name}.rackwright-new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(change["target"])
    fresh.replace(path)


def _make_parents(path: Path) -> None:
    """Those that are missing, open to all whatever root's umask; those that are there stay so."""
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def _refuse(path: Path, wrong: bool, wanted: str) -> None:
    if wrong:
        raise Failed(f"{path} is there and is not {wanted}: move it away")


def _ids(change: Values) -> tuple[int, int]:
    try:
        return pwd.getpwnam(change["owner"]).pw_uid, grp.getgrnam(change["group"]).gr_gid
    except KeyError:
        owner = f"{change['owner']}:{change['group']}"
        raise Failed(f"{change['key']}: {owner} is not known here, run stage base") from None


def write(target: Path, content: bytes, uid: int, gid: int, mode: int) -> None:
    """Write beside the target, closed to others until owner and mode are right, then rename."""
    fresh = target.with_name(f".{target.name}.rackwright-new")
    fresh.unlink(missing_ok=True)  # left by a run that was cut off
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            os.fchown(handle, uid, gid)
            os.fchmod(handle, mode)
            out.flush()
            os.fsync(handle)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


def saved(path: Path) -> Values | None:
    """A file as it is, to be put back; None where there is none."""
    try:
        info, content = path.stat(), path.read_bytes()
    except OSError:
        return None
    owned = {"uid": info.st_uid, "gid": info.st_gid, "mode": stat.S_IMODE(info.st_mode)}
    return {"content": content, **owned, "mtime_ns": info.st_mtime_ns}


def put_back(path: Path, before: Values | None) -> None:
    """Restore a file of this run to what it was, with its owner, mode and time.

    By its time the upstream check knows that whoever runs has read it.
    """
    if before is None:
        path.unlink()
        return
    mtime_ns = before["mtime_ns"]
    write(path.resolve(), before["content"], before["uid"], before["gid"], before["mode"])
    os.utime(path, ns=(mtime_ns, mtime_ns))
