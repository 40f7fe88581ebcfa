"""A model of a Hugging Face repository, or a folder that the operator put there."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import time
from pathlib import Path
from typing import Any

from rackwright.remote.downloads.progress import say
from rackwright.remote.host.as_user import as_user, hand_over
from rackwright.remote.host.trees import remove

Values = dict[str, Any]

MOST_INDEX_BYTES = 64 << 20
"""The index of a model of 90,000 tensors has 9 MB."""
_SHARD = re.compile(r"[^/\0.\n][^/\0\n]{0,199}(/[^/\0.\n][^/\0\n]{0,199}){0,8}")
"""A file beside the index or below it; no name of a file system is longer than 255 bytes."""


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
        names = _shards(index)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return [f"a readable {index.name}"]
    return [name for name in names if not (index.parent / name).is_file()]


def _shards(index: Path) -> set[str]:
    """The files an index names. Raises what it likes where it is none, or names other places."""
    if not index.is_file() or index.stat().st_size > MOST_INDEX_BYTES:
        raise ValueError(index)
    names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    if not all(_SHARD.fullmatch(name) for name in names):
        raise ValueError(index)
    return names


# --- a download -------------------------------------------------------------------------------


def _partial(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")


def prepare(model: Values, request: Values) -> None:
    """The folders of a download, as the engine's user's.

    Root only hands over folders: what else there is to move or remove, it would be led astray by.
    """
    target, below = Path(model["path"]), Path(request["below"])
    hand_over(target.parent, below, request["user"])
    clear = as_user(request["user"], lambda: _clear(target, _partial(target)), {})
    if clear:
        sys.exit(clear)
    hand_over(_partial(target), below, request["user"])


def _clear(target: Path, partial: Path) -> None:
    """A broken folder of this user becomes the download to resume; others are set aside."""
    if not (target.is_symlink() or target.exists()):
        return
    info = target.lstat()
    own = stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid()
    resumable = own and not (partial.is_symlink() or partial.exists())
    away = partial if resumable else target.with_name(f"{target.name}.broken-{time.time_ns()}")
    say(f"{problems(target) or f'{target} is not as it is noted'}: it is now {away.name}")
    target.rename(away)


def share(model: Values) -> Any:
    """The download, as the engine's user has it: a ``Share``."""
    from rackwright.remote.sideways.content import Content, File  # HTTP: to look needs none of it
    from rackwright.remote.sideways.exchange import Share

    target = Path(model["path"])
    label = f"{model['repo']}@{model['revision'][:12]}"
    content = Content(label, [File(*each) for each in model["known_files"]])
    return Share(content, _partial(target), lambda store: _put(store, target))


def _put(store: Any, target: Path) -> None:
    partial = store.folder
    if wrong := problems(partial):
        sys.exit(f"{store.content.label} is not a model that can be served: {wrong}")
    remove(partial / ".cache", ignore_errors=True)  # of hf, by which older releases fetched
    store.move(target, lambda: _settle(partial, target))


def _settle(partial: Path, target: Path) -> None:
    """Put a whole download in its place; what appeared there meanwhile is somebody's, and stays."""
    try:
        partial.rename(target)
    except OSError:
        if problems(target):
            sys.exit(f"{target} appeared during its download: move it or {partial} away")
        say(f"{target} appeared during its download and is kept; {partial} can be removed")
