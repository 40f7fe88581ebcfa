"""On the host: a quarantine looked at, begun by hand, kept with more evidence, ended with proof.

The file is written whole and by a link or a rename, so that the watchdog beside it never reads half
of one, and the first reason stays.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from rackwright.remote.host.quarantine import FILE, quarantine

HISTORY = "history"
MOST_RETURNS = 20
"""Of attempts to return are kept, the newest."""

Values = dict[str, Any]


def main(request: Values) -> Values:
    """``do`` is look, begin, keep or end; the answer is the quarantine that there is then.

    ``folder`` is the watchdog's. begin takes ``why`` and ``by``; keep and end take ``words``, why
    the server did not return or how it was proven. ``error`` says why nothing was done.
    """
    folder = Path(request["folder"])
    if not folder.is_dir():
        return {"there": False, "error": f"{folder} is not there: the watchdog was never deployed"}
    found = quarantine(str(folder))
    if request["do"] == "begin":
        return found if found["there"] else _begin(folder, request)
    if request["do"] == "look" or not found["there"]:
        return found
    told = {key: value for key, value in found.items() if key != "there"}
    return (_end if request["do"] == "end" else _keep)(folder, told, request["words"])


def _begin(folder: Path, request: Values) -> Values:
    """Made only where there is none: the watchdog may be as quick."""
    now = {"format": 1, "why": request["why"], "since": time.time(), "by": request["by"]}
    fresh = _written(folder, {**now, "gpus": [], "evidence": ""})
    try:
        os.link(fresh, folder / FILE)
    except FileExistsError:
        return quarantine(str(folder))
    finally:
        fresh.unlink()
    return {**now, "there": True, "begun": True}


def _keep(folder: Path, told: Values, words: str) -> Values:
    before = told.get("returns")
    tried = [*(before if isinstance(before, list) else ()), {"at": time.time(), "words": words}]
    kept = {**told, "returns": tried[-MOST_RETURNS:]}
    _written(folder, kept).replace(folder / FILE)
    return {**kept, "there": True}


def _end(folder: Path, told: Values, words: str) -> Values:
    """Its whole story lies in the history before the file is gone."""
    at = time.time()
    history = folder / HISTORY
    history.mkdir(mode=0o700, exist_ok=True)
    ended = {**told, "returned": {"at": at, "how": words}}
    _written(folder, ended).replace(history / f"quarantine-{at:.0f}.json")
    (folder / FILE).unlink()
    return {**ended, "there": False}


def _written(folder: Path, values: Values) -> Path:
    """A new file that root alone reads."""
    number, name = tempfile.mkstemp(dir=folder, prefix=f".{FILE}.")
    with os.fdopen(number, "w") as file:
        json.dump(values, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    return Path(name)
