"""On the host: have a model's weights in a folder, from a pinned Hugging Face revision, or one GGUF
file of a known digest; and give them to the other servers of a run.

A download goes to ``PATH.partial`` in pieces, which are kept for the next try, and is put in its
place when every file is of its digest. It comes from other servers of the run where they have it
(``sideways``), and ends with the connection, as does what is given.
A model that the operator put in a folder is only looked at, as the engine's user. Nothing is
deleted: a folder that is in the way and cannot be served is repaired by a download, or set aside.
Where a lock says the files of a model, these are what it consists of, and it is compared with their
digests, once. They come from a bundle where one is in use, else from the hub.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rackwright.remote.downloads import gguf_file, locked_files, repository
from rackwright.remote.downloads.records import missing_of, record, recorded
from rackwright.remote.host.alone import alone
from rackwright.remote.host.as_user import as_user
from rackwright.remote.host.readable import why_closed

ENDS_WITH_CONNECTION = True
LOCK = Path("/run/rackwright-weights.lock")

Values = dict[str, Any]


def wrong_with(model: Values, request: Values) -> str:
    """Why a model cannot be served, in words; empty when it can."""
    path, stamps = Path(model["path"]), Path(request["stamps"])
    if closed := why_closed(path, request["user"]):
        return closed
    if model["kind"] == "file":
        return gguf_file.problems(model, stamps)
    if wrong := repository.problems(path):
        return wrong
    if files := model.get("files"):
        return locked_files.problems(path, files, stamps)
    return missing_of(path, (recorded(stamps, path) or []) if model["repo"] else [])


def is_fetched(model: Values) -> bool:
    """Whether we download it, where it is not there."""
    return bool(model["url"] if model["kind"] == "file" else model["repo"])


def fetch(request: Values) -> str:
    """Have what is missing, alone on this host; says so."""
    with alone(LOCK, "download"):
        left = [model for model in request["models"] if wrong_with(model, request)]
        for model in left:
            if closed := why_closed(Path(model["path"]), request["user"]):
                sys.exit(closed)
        taken = [m for m in left if is_fetched(m) and not _is_to_compare(m)]
        if taken:
            _take(taken, request)
        for model in left:
            if model not in taken:
                _prove(model, Path(request["stamps"]))
            if wrong := wrong_with(model, request):
                sys.exit(wrong)
    return f"weights of {len(request['models'])} model(s) are there"


def _is_to_compare(model: Values) -> bool:
    """A file that is there already is compared, and never replaced; so is a folder that looks as
    it is locked.
    """
    path, files = Path(model["path"]), model.get("files", {})
    if model["kind"] == "file":
        return path.exists()
    return bool(files) and not (repository.problems(path) or _unlike(path, files))


def _unlike(path: Path, files: locked_files.Files) -> str:
    return locked_files.at_first_sight(path, files)


def _prove(model: Values, stamps: Path) -> None:
    """Compare what is there with its digests, and note that; exits where one is another."""
    if model["kind"] == "file":
        gguf_file.prove(model, stamps)
        return
    path, files = Path(model["path"]), model.get("files", {})
    if wrong := repository.problems(path) or _unlike(path, files):
        sys.exit(wrong)
    if files:
        locked_files.compare(path, files, stamps, ours=bool(model["repo"]))


def _take(models: list[Values], request: Values) -> None:
    """Download as the engine's user, who owns the folders. Root only hands them over, and notes."""
    known = [{**model, "known_files": files_of(model, request)} for model in models]
    for model in known:
        try:
            _kind(model).prepare(model, request)
        except OSError as error:  # a link in the way, a folder of somebody else
            sys.exit(f"{model['path']}: {error}")

    def exchange() -> None:
        _run(request, [_kind(model).share(model) for model in known])

    _as_user(request, exchange)
    for model in known:
        stamps, path = Path(request["stamps"]), Path(model["path"])
        if path.with_name(f"{path.name}.partial").exists():
            continue  # what appeared meanwhile is somebody's: nothing is known of its files
        if model["kind"] == "file":
            gguf_file.note(model, stamps)
        elif locked_rows(model) and not _unlike(path, model["files"]):
            locked_files.note(path, model["files"], stamps)  # an exchange compares what it takes
        record(stamps, path, model["known_files"])


def _kind(model: Values) -> Any:
    return gguf_file if model["kind"] == "file" else repository


def _run(request: Values, shares: list[Any]) -> None:
    """Take these, and give what is whole here. It is loaded here: to look needs no HTTP."""
    from rackwright.remote.sideways.exchange import Exchange, whole_share

    whole = map(whole_share, request.get("whole", ()))
    Exchange(request.get("sideways") or {}, [*shares, *whole], _headers(request)).run()


def _headers(request: Values) -> dict[str, str]:
    """The hub's token; a bundle asks for none."""
    token = request["environment"].get("HF_TOKEN")
    return {"Authorization": f"Bearer {token}"} if token and not request.get("bundle") else {}


def _as_user(request: Values, act: Any) -> None:
    if words := as_user(request["user"], act, request["environment"]):
        sys.exit(words)


def files_of(model: Values, request: Values) -> list[Any]:
    """What the download of a model consists of; exits where nobody tells.

    What is locked goes before ``known_files``, which the run knows of another server, and these
    before what a bundle has; the hub is asked for others. Of digest and size alone: where they come
    from is this host's own to say.
    """
    if model["kind"] == "file":
        name, digest = Path(model["path"]).name, f"sha256:{model['sha256']}"
        return [[name, model["size_bytes"], digest, model["url"]]]
    from rackwright.remote.downloads import hub

    bundled = model.get("bundled") or {}
    if files := locked_rows(model) or model.get("known_files") or bundled.get("files"):
        base = bundled.get("url") or f"{model['hub']}/{model['repo']}/resolve/{model['revision']}"
        return [[*row[:3], f"{base}/{quote(row[0])}"] for row in files]
    return hub.files_of(model["hub"], model["repo"], model["revision"], _headers(request))


def locked_rows(model: Values) -> list[Any]:
    """What a lock says of the files of a folder; nothing where it does not say all sizes."""
    files = model.get("files") or {}
    if any(size is None for _, size in files.values()):
        return []
    return [[name, size, f"sha256:{sha256}"] for name, (sha256, size) in sorted(files.items())]


def look(request: Values) -> Values:
    """By path: why a model has to be downloaded, and which files it has if that is noted.

    A file that has yet to be compared is there: who takes it compares it as well.
    """
    stamps = Path(request["stamps"])
    return {
        model["path"]: {
            "wrong": "" if _is_to_compare(model) else wrong_with(model, request),
            "files": locked_rows(model) or recorded(stamps, Path(model["path"])),
        }
        for model in request["models"]
        if is_fetched(model)
    }


def tell(request: Values) -> list[Any]:
    """The files of the one model of a request."""
    return files_of(request["models"][0], request)


def give(request: Values) -> str:
    """Give what is whole here, until those that take it have it."""
    _as_user(request, lambda: _run(request, []))
    return "given"


def observe(request: Values) -> Values:
    """Path to problem, only where there is one."""
    found = {model["path"]: wrong_with(model, request) for model in request["models"]}
    return {path: wrong for path, wrong in found.items() if wrong}


DOES = {"observe": observe, "fetch": fetch, "look": look, "tell": tell, "give": give}


def main(request: Values) -> Any:
    """One of ``DOES``. What the environment says of proxies is for what lies beyond this host.

    Who only looks is given none: others are asked in the same process.
    """
    if request["do"] in ("observe", "look"):
        return DOES[request["do"]](request)
    os.environ.update(request["environment"])
    if request.get("bundle"):
        from rackwright.remote.host.supplies import beyond_proxies

        own = {**request["environment"], **beyond_proxies()}
        request = {**request, "environment": own}
    return DOES[request["do"]](request)
