"""On the host: have a model's weights in a folder, from a pinned Hugging Face revision, or one GGUF
file of a known digest.

A download goes to ``FOLDER.partial``, where whole files are kept for the next try (hf itself starts
an interrupted file over), and is renamed when it is whole.
A model that the operator put in a folder is only looked at. Nothing is deleted: a folder that is
in the way and cannot be served is repaired by a download, or set aside.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rackwright.remote.fetching import fetch as fetch_file
from rackwright.remote.fetching import say, sha256_of

LOCK = Path("/run/rackwright-weights.lock")

Values = dict[str, Any]


def problems(folder: Path) -> str:
    """Why the folder cannot be served, in words; empty when it can."""
    if not (folder / "config.json").is_file():
        return f"{folder} has no config.json"
    if not any(
        file.is_file() for kind in ("safetensors", "bin") for file in folder.glob(f"*.{kind}")
    ):
        return f"{folder} has no weights (*.safetensors)"
    absent = sorted(
        {name for index in folder.glob("*.safetensors.index.json") for name in _absent(index)}
    )
    more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
    return f"{folder} lacks {absent[0]}{more}" if absent else ""


def _absent(index: Path) -> list[str]:
    """Files that an index of shards names and that are not there."""
    if (index.parent / index.name[: -len(".index.json")]).is_file():
        return []  # the weights are also there in one file
    try:
        names = set(json.loads(index.read_text())["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError):
        return [f"a readable {index.name}"]
    return [name for name in names if not (index.parent / name).is_file()]


def file_problems(model: Values, stamps: Path) -> str:
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


def have_file(model: Values, request: Values) -> None:
    """Download a GGUF file where it has a URL, compare it with its digest, and note that."""
    path, stamps = Path(model["path"]), Path(request["stamps"])
    if model["url"] and not path.exists():
        for folder in (path.parent.parent, path.parent):
            _own(folder, request["user"])
        _as_user(request, lambda: _fetch_file(model, request))
    if wrong := _outside(path, model["size_bytes"]):
        sys.exit(f"{wrong}: move it away" if path.exists() else wrong)
    say(f"comparing {path.name} with its digest")
    found = sha256_of(path)
    if found != model["sha256"]:
        sys.exit(f"{path} has the SHA-256 {found}, not {model['sha256']}: move it away")
    stamps.mkdir(parents=True, exist_ok=True)
    (stamps / _stamp_name(path)).write_text(_stamped(path, found))


def _fetch_file(model: Values, request: Values) -> None:
    token = request["environment"].get("HF_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    fetch_file(model["url"], Path(model["path"]), model["sha256"], headers)


def _as_user(request: Values, act: Callable[[], None]) -> None:
    """Act in a child without root's rights: in folders that others own, a path may turn."""
    user = pwd.getpwnam(request["user"])
    sys.stderr.flush()
    child = os.fork()
    if child:
        code = os.waitpid(child, 0)[1]
        if code:
            sys.exit("download failed: see above")
        return
    code = 1
    try:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
        os.environ.update(request["environment"])
        act()
        code = 0
    except SystemExit as words:
        say(str(words))
    except Exception as error:  # whatever it is, the child must end here
        say(f"{type(error).__name__}: {error}")
    finally:
        os._exit(code)


def download(model: Values, request: Values, lock: int) -> None:
    """Fetch one model as the engine's user; exits when that fails."""
    target = Path(model["path"])
    partial = target.with_name(f"{target.name}.partial")
    _clear(target, partial, request["user"])
    _own_folders(partial, request["user"])
    name = f"{model['repo']}@{model['revision'][:12]}"
    _drop_leftovers(partial)
    if _hf(model, partial, request, lock) != 0:
        sys.exit(f"download of {name} failed: see above")
    if wrong := problems(partial):
        sys.exit(f"{name} is not a model that can be served: {wrong}")
    shutil.rmtree(partial / ".cache", ignore_errors=True)  # hf's own notes on the download
    _settle(partial, target)


def _drop_leftovers(partial: Path) -> None:
    """Pieces of a killed download: hf never takes them up again (huggingface_hub issue 4196)."""
    for piece in (partial / ".cache").rglob("*.incomplete"):
        piece.unlink()


def _clear(target: Path, partial: Path, name: str) -> None:
    """A broken folder of the engine's user becomes the download to resume; others are set aside."""
    if not (target.is_symlink() or target.exists()):
        return
    info = target.lstat()
    own = stat.S_ISDIR(info.st_mode) and info.st_uid == pwd.getpwnam(name).pw_uid
    resumable = own and not (partial.is_symlink() or partial.exists())
    away = partial if resumable else target.with_name(f"{target.name}.broken-{time.time_ns()}")
    say(f"{problems(target)}: it is now {away.name}")
    target.rename(away)


def _own_folders(partial: Path, name: str) -> None:
    """The engine's user downloads; links in its folders are not followed by root."""
    for folder in (partial.parent.parent, partial.parent, partial):
        _own(folder, name)


def _own(folder: Path, name: str) -> None:
    user = pwd.getpwnam(name)
    folder.mkdir(parents=True, exist_ok=True)
    os.chown(folder, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _hf(model: Values, partial: Path, request: Values, lock: int) -> int:
    """Exit code of the download, which holds the lock too: it outlives a broken connection."""
    user = pwd.getpwnam(request["user"])
    argv = [model["hf"], "download", model["repo"], "--revision", model["revision"],
            "--local-dir", str(partial)]  # fmt: skip
    return subprocess.run(
        argv,
        env={**os.environ, **request["environment"], "HOME": str(partial.parent)},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        cwd=str(partial),
        pass_fds=(lock,),
        check=False,
    ).returncode


def _settle(partial: Path, target: Path) -> None:
    """Put a whole download in its place; what appeared there meanwhile is somebody's, and stays."""
    try:
        partial.rename(target)
    except OSError:
        if problems(target):
            sys.exit(f"{target} appeared during its download: move it or {partial} away")
        say(f"{target} appeared during its download and is kept; {partial} can be removed")


def wrong_with(model: Values, request: Values) -> str:
    """Why a model cannot be served, in words; empty when it can."""
    if model["kind"] == "file":
        return file_problems(model, Path(request["stamps"]))
    return problems(Path(model["path"]))


def fetch(request: Values) -> str:
    """Have what is missing, one model at a time and alone on this host; says so."""
    with LOCK.open("w") as lock:
        _alone(lock.fileno())
        for model in request["models"]:
            if not wrong_with(model, request):
                continue
            if model["kind"] == "file":
                have_file(model, request)
            elif model["repo"]:
                download(model, request, lock.fileno())
            if wrong := wrong_with(model, request):
                sys.exit(wrong)
    return f"weights of {len(request['models'])} model(s) are there"


def _alone(lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("another download runs on this host (perhaps of a run that was cut off): waiting")
        fcntl.flock(lock, fcntl.LOCK_EX)


def main(request: Values) -> Any:
    """``do`` is observe (path to problem, only where there is one) or fetch."""
    if request["do"] == "fetch":
        return fetch(request)
    found = {model["path"]: wrong_with(model, request) for model in request["models"]}
    return {path: wrong for path, wrong in found.items() if wrong}
