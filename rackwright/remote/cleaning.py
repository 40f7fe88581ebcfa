"""On the host: releases and weights that nothing needs any more, looked for and taken away.

Only what we made is looked at: releases by their names, in folders of ours that are root's; weights
by theirs, where all of it is the engines' user's. What the plan names is kept, and what units name,
what a replica may go back to, and what any process here has open, whatever the plan says.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

from rackwright.remote import release, weights
from rackwright.remote.downloads.records import forget
from rackwright.remote.host.alone import alone
from rackwright.remote.host.as_user import as_user
from rackwright.remote.unneeded.needed import Needed
from rackwright.remote.unneeded.ours import (
    ASIDE,
    REVISION,
    Ours,
    all_of_ours,
    freed_bytes,
    whose_else,
)

Values = dict[str, Any]


def main(request: Values) -> Values:
    """``do`` is look, or remove (``paths``, of what look found unneeded)."""
    if request["do"] == "look":
        return look(request)
    with alone(release.LOCK, "installation"), alone(weights.LOCK, "download"):
        return remove(request)


def look(request: Values) -> Values:
    """``unneeded``: kind, path and what its removal frees. ``kept``: path and why it stays."""
    found: Values = {"unneeded": [], "kept": []}
    used = Needed(request)
    for one in all_of_ours(request):
        if why := used.why(one.path) or whose_else(one, request):
            found["kept"].append({"path": str(one.path), "why": why})
        else:
            freed = sum(map(freed_bytes, (one.path, *one.beside)))
            found["unneeded"].append({"kind": one.kind, "path": str(one.path), "bytes": freed})
    return found


def remove(request: Values) -> Values:
    """Take away what was asked for, where it is still unneeded: ``removed`` paths, ``freed`` bytes.

    Aside first: what is cut off in between is in nobody's place, and found the next time.
    """
    fresh = {one["path"]: one["bytes"] for one in look(request)["unneeded"]}
    wanted = [
        one for one in all_of_ours(request) if str(one.path) in {*request["paths"]} & {*fresh}
    ]
    for one in wanted:
        if one.kind == "weights":
            words = as_user(request["user"], partial(_take_away_weights, one), {})
            if words:
                sys.exit(words)
            forget(Path(request["stamps"]), one.path)
        else:
            for path in (one.path, *one.beside):
                _take_away(path)
    removed = [str(one.path) for one in wanted]
    return {"removed": removed, "freed": sum(fresh[path] for path in removed)}


def _take_away_weights(one: Ours) -> None:
    """As the user whose they are, who can harm nothing of others."""
    _take_away(one.path)
    for parent in (one.path.parent, one.path.parent.parent):
        with contextlib.suppress(OSError):
            if REVISION.fullmatch(parent.name) or "--" in parent.name:
                parent.rmdir()


def _take_away(path: Path) -> None:
    aside = path if path.name.endswith(ASIDE) else path.with_name(f".{path.name}{ASIDE}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
    if aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside)
    else:
        with contextlib.suppress(FileNotFoundError):
            aside.unlink()
