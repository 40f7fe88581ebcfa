"""A seed as a tar file: packed from a replica's cache, unpacked into another's.

Both act as the engine's user, in a child: the cache is that user's, who can turn any path in it at
any moment. Root opens the tar file alone, which nobody else can read or write.
"""

from __future__ import annotations

import gzip
import os
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import IO, Any

PASSING = (".lock", ".tmp")
"""How files end that are only there while something is compiled."""
WORKING = ("locks", "tmp.")
"""How folders begin that hold such files (PyTorch's, Triton's)."""
PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE)
MOST_FILES = 200_000
COPY_BYTES = 1 << 20
FASTEST = 1
"""Of gzip's levels: a replica waits for it."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
FRESH = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW

Values = dict[str, Any]


class Unfit(OSError):
    """A seed that is not made, or not taken; the message says why."""


def pack(cache: Path, parts: Sequence[str], out: IO[bytes], most_bytes: int) -> Values:
    """Write the regular files of a cache's ``parts``; how many ``files`` and ``bytes`` they are.

    Raises Unfit where there are none, or more than ``most_bytes``.
    """
    files = total = 0
    packed = gzip.GzipFile("", "wb", FASTEST, out)
    with packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        for path in sorted(file for part in parts for file in _files(cache / part)):
            size = _add(tar, path, str(path.relative_to(cache)))
            files, total = files + (size is not None), total + (size or 0)
            if total > most_bytes or files > MOST_FILES:
                raise Unfit(f"{cache} holds more than {most_bytes >> 20} MiB of compiled code")
    if not files:
        raise Unfit(f"{cache} holds nothing compiled")
    out.flush()  # a child ends without that
    return {"files": files, "bytes": total}


def _files(top: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(top):
        below[:] = [name for name in below if not name.startswith(WORKING)]
        yield from (Path(folder, name) for name in names if not name.endswith(PASSING))


def _add(tar: tarfile.TarFile, path: Path, name: str) -> int | None:
    """Its size; None of one that is gone meanwhile, or is no regular file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        entry = tar.gettarinfo(arcname=name, fileobj=file)
        if not entry.isreg():
            return None
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mode &= 0o700
        tar.addfile(entry, file)
    return int(entry.size)


def unpack(seed: IO[bytes], cache: Path, parts: Sequence[str], most_bytes: int) -> Values:
    """Add to a cache what it lacks; how many ``files`` and ``bytes`` that was. No file is replaced.

    All names are judged before the first file is written. Raises Unfit for what does not belong
    into these parts of a cache: links, devices, paths that lead elsewhere.
    """
    _judge(seed, parts, most_bytes)
    seed.seek(0)
    files = total = 0
    root = os.open(cache, FOLDER)
    try:
        with tarfile.open(fileobj=seed, mode="r|gz") as tar:
            for entry in tar:
                if _write(tar, entry, root):
                    files, total = files + 1, total + entry.size
    finally:
        os.close(root)
    return {"files": files, "bytes": total}


def _judge(seed: IO[bytes], parts: Sequence[str], most_bytes: int) -> None:
    files = total = 0
    try:
        with tarfile.open(fileobj=seed, mode="r|gz") as tar:
            for entry in tar:
                _judge_entry(entry, parts)
                files, total = files + 1, total + entry.size
                if total > most_bytes or files > MOST_FILES:
                    raise Unfit(f"the seed holds more than {most_bytes >> 20} MiB")
    except (tarfile.TarError, EOFError) as error:
        raise Unfit(f"the seed is no whole tar file: {error}") from None


def _judge_entry(entry: tarfile.TarInfo, parts: Sequence[str]) -> None:
    path = PurePosixPath(entry.name)
    inside = any(PurePosixPath(part) in path.parents for part in parts)
    if entry.type not in PLAIN or entry.issparse() or entry.size < 0:
        raise Unfit(f"the seed has {entry.name!a}, which is no regular file")
    plain = str(path) == entry.name and ".." not in path.parts and entry.name.isprintable()
    if not inside or not plain or path.is_absolute():
        raise Unfit(f"the seed has {entry.name!a}, which belongs into no cache of compiled code")


def _write(tar: tarfile.TarFile, entry: tarfile.TarInfo, root: int) -> bool:
    """Whole or not at all: an engine that runs may be reading there. False where one is there."""
    *folders, name = entry.name.split("/")
    handles = [root]
    try:
        for folder in folders:
            handles.append(_entered(folder, handles[-1]))
        return _linked(tar, entry, name, handles[-1])
    finally:
        for handle in handles[1:]:
            os.close(handle)


def _entered(name: str, above: int) -> int:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=above)
    return os.open(name, FOLDER, dir_fd=above)


def _linked(tar: tarfile.TarFile, entry: tarfile.TarInfo, name: str, folder: int) -> bool:
    content = tar.extractfile(entry)
    assert content is not None
    fresh = f".{os.getpid()}.rackwright-new"
    with suppress(FileNotFoundError):  # of a child that was killed
        os.unlink(fresh, dir_fd=folder)
    handle = os.open(fresh, FRESH, 0o600, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as out:
            for piece in iter(lambda: content.read(COPY_BYTES), b""):
                out.write(piece)
            out.flush()
            os.fchmod(out.fileno(), 0o600 | entry.mode & 0o700)
            os.utime(out.fileno(), (entry.mtime, entry.mtime))
        os.link(fresh, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return False
    finally:
        os.unlink(fresh, dir_fd=folder)
    return True
