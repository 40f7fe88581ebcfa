"""Unpacking a root folder: each stream once, until another of it was packed."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from lab.errors import LabError
from lab.gpu_host import PROJECT
from lab.gpu_host.pieces import Manifest, Stream, content
from lab.shell import step

_MARK = ".gpu-host.json"
"""In the root folder: which streams were unpacked, by their digests."""
_KEPT = (".venv", "reports", ".cache")


def unpack(packed: Manifest, folder: Path, wanted: Iterable[str], root: Path, live: bool) -> None:
    """Have the wanted streams in ``root``; a ``live`` one only gets wheels and the project."""
    marks = _marks(root)
    if _is_another(packed, marks):
        if live:
            raise LabError(f"{root} runs another system than {folder} holds: take it down first")
        shutil.rmtree(root)
        marks = {}
    _write(root, marks)
    for prefix in wanted:
        stream = packed.streams[prefix]
        with step(f"unpacking {stream.about}"):
            _unpack(stream, folder, root)
        marks[prefix] = stream.sha256
        _write(root, marks)


def pending(packed: Manifest, root: Path) -> list[str]:
    """The streams that have to be unpacked: all of them, into the root folder of another pack."""
    marks = _marks(root)
    known = {} if _is_another(packed, marks) else marks
    return [prefix for prefix, one in packed.streams.items() if known.get(prefix) != one.sha256]


def _is_another(packed: Manifest, marks: dict[str, str]) -> bool:
    return marks.get("i") not in (None, packed.streams["i"].sha256)


def _unpack(stream: Stream, folder: Path, root: Path) -> None:
    target = root / stream.target.lstrip("/")
    if stream.prefix == "p":
        clear_project(root)
    target.mkdir(parents=True, exist_ok=True)
    reading = "xz -dc -T0 | tar -xf - -C" if stream.compressed else "tar -xf - -C"
    argv = ["bash", "-c", f'set -o pipefail; {reading} "$1"', "unpack", str(target)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as running:
        assert running.stdin is not None
        for piece in content(stream, folder):
            running.stdin.write(piece)
        running.stdin.close()
    if running.returncode != 0:
        raise LabError(f"{stream.about}: unpacking failed with exit code {running.returncode}")


def clear_project(root: Path) -> None:
    """Remove the project's files: none of another commit stays; venv and reports do."""
    project = root / PROJECT.lstrip("/")
    for path in project.iterdir() if project.exists() else ():
        if path.name not in _KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def take_project(source: Path, root: Path) -> None:
    """The project's files from a checkout instead, without git: all that it does not ignore."""
    if not (source / "pyproject.toml").exists():
        raise LabError(f"{source} is no checkout of the project")
    ignored = (source / ".gitignore").read_text().split()
    left_out = [f"--exclude={name.rstrip('/')}" for name in (".git", *ignored)]
    if (root / _MARK).exists():  # those files are no longer what was unpacked
        _write(root, {prefix: mark for prefix, mark in _marks(root).items() if prefix != "p"})
    clear_project(root)
    copying = "set -o pipefail; from=$1 to=$2; shift 2; "
    copying += 'tar -C "$from" "$@" -cf - . | tar --no-same-owner -xf - -C "$to"'
    argv = ["bash", "-c", copying, "copy", str(source), str(root / PROJECT.lstrip("/")), *left_out]
    if subprocess.run(argv).returncode != 0:
        raise LabError(f"{source} could not be copied: see above")


def keep_venv(packed: Manifest, root: Path) -> None:
    """Tell make that the venv need not be made again, unless the project asks for another."""
    project = root / PROJECT.lstrip("/")
    if packed.streams["i"].about.endswith(venv_id(project)):
        (project / ".venv/.ready").touch()


def venv_id(project: Path) -> str:
    """What a project's venv is made of."""
    files = (project / "requirements.txt", project / "pyproject.toml")
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _marks(root: Path) -> dict[str, str]:
    if not root.exists() or not any(root.iterdir()):
        return {}
    if not (root / _MARK).exists():
        raise LabError(f"{root} is not a host's root folder: name another with --root")
    return dict(json.loads((root / _MARK).read_text()))


def _write(root: Path, marks: dict[str, str]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / _MARK).write_text(json.dumps(marks) + "\n")
