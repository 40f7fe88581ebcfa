"""On the host: have a model's weights in a folder, from a pinned Hugging Face revision, or one GGUF
file of a known digest.

A download goes to ``FOLDER.partial``, where whole files are kept for the next try (hf itself starts
an interrupted file over), and is renamed when it is whole.
A model that the operator put in a folder is only looked at, as the engine's user. Nothing is
deleted: a folder that is in the way and cannot be served is repaired by a download, or set aside.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rackwright.remote.downloads import gguf_file, repository
from rackwright.remote.host.alone import alone
from rackwright.remote.host.readable import why_closed

LOCK = Path("/run/rackwright-weights.lock")

Values = dict[str, Any]


def wrong_with(model: Values, request: Values) -> str:
    """Why a model cannot be served, in words; empty when it can."""
    if closed := why_closed(Path(model["path"]), request["user"]):
        return closed
    if model["kind"] == "file":
        return gguf_file.problems(model, Path(request["stamps"]))
    return repository.problems(Path(model["path"]))


def fetch(request: Values) -> str:
    """Have what is missing, one model at a time and alone on this host; says so."""
    with alone(LOCK, "download") as lock:
        for model in request["models"]:
            if not wrong_with(model, request):
                continue
            if closed := why_closed(Path(model["path"]), request["user"]):
                sys.exit(closed)
            try:
                _have(model, request, lock)
            except OSError as error:  # a link in the way, a folder of somebody else, a full disk
                sys.exit(f"{model['path']}: {error}")
            if wrong := wrong_with(model, request):
                sys.exit(wrong)
    return f"weights of {len(request['models'])} model(s) are there"


def _have(model: Values, request: Values, lock: int) -> None:
    if model["kind"] == "file":
        gguf_file.have(model, request)
    elif model["repo"]:
        repository.download(model, request, lock)


def main(request: Values) -> Any:
    """``do`` is observe (path to problem, only where there is one) or fetch."""
    if request["do"] == "fetch":
        return fetch(request)
    found = {model["path"]: wrong_with(model, request) for model in request["models"]}
    return {path: wrong for path, wrong in found.items() if wrong}
