"""The manifest of a host: what it was given, and what of it only the host knows. Root's alone.

Beside it lies ``weights.json``: by which size and time each file of weights was digested, so that
hundreds of GB are read once. Times are kept there, for a manifest is the same after a rebuild.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rackwright.remote.host import noted
from rackwright.remote.items.files import write

FORMAT = 1
NOTES = "weights.json"

Values = dict[str, Any]


def kept(path: str) -> Values:
    """The manifest as it lies there; nothing where there is none that can be read."""
    try:
        found = json.loads(Path(path).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and found.get("format") == FORMAT else {}


def notes(path: str) -> Values:
    """By which size and time files of weights were digested, by their folders."""
    try:
        found = json.loads(Path(path).with_name(NOTES).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def seen(query: Values) -> Values:
    """The digest of what was planned, empty without a manifest; and what is not as it was noted.

    ``unread_bytes`` are of weights that have to be digested when it is written.
    """
    manifest = kept(query["key"])
    facts = now(query, notes(query["key"]))
    told = {"planned_sha256": "", "private": True, "changed": [], "unread_bytes": 0}
    told["unread_bytes"] = sum(
        facts["weights"][folder][name]["size_bytes"]
        for folder, name in _undigested(facts["weights"])
        if query["weights"][folder] is None
    )
    if not manifest:
        return told
    info = Path(query["key"]).stat()
    return {
        **told,
        "planned_sha256": noted.digest_of(manifest.get("planned")),
        "private": info.st_uid == os.getuid() and info.st_mode & 0o077 == 0,
        "changed": changed(manifest.get("noted") or {}, facts),
    }


def now(query: Values, known: noted.Known) -> Values:
    """What is to be noted, as it is now; the digest of a file that changed since is None.

    ``known`` is of ``notes``.
    """
    return {
        "system": noted.system(),
        "packages": noted.versions(query["packages"]),
        "releases": {folder: noted.distributions(folder) for folder in query["releases"]},
        "weights": {path: _weights(path, known.get(path) or {}) for path in query["weights"]},
    }


def _weights(path: str, known: Mapping[str, Any]) -> Values:
    return {
        name: {"size_bytes": size, "sha256": _known(known.get(name), size, time_ns)}
        for name, (size, time_ns) in noted.weights(path).items()
    }


def _known(note: Any, size: int, time_ns: int) -> Any:
    """The digest that was found for just this file."""
    fits = isinstance(note, list) and len(note) == 3 and note[:2] == [size, time_ns]
    return note[2] if fits else None


def changed(before: Values, after: Values) -> list[str]:
    """What differs between what was noted and what is, in few words each."""
    if before.get("system") != after["system"]:
        return ["the release of the distribution"]
    words = []
    for kind in ("packages", "releases", "weights"):
        was, found = before.get(kind) or {}, after[kind]
        differ = (name for name in sorted({*was, *found}) if was.get(name) != found.get(name))
        words += [f"{kind} {name}" for name in differ]
    return words


def make(change: Values) -> None:
    """Written anew, with digests of those weights that have changed: that may take minutes.

    A file that is pinned was compared with its digest by this run, where its time had changed.
    """
    path = Path(change["key"])
    facts = now(change, notes(change["key"]))
    for folder, name in _undigested(facts["weights"]):
        facts["weights"][folder][name]["sha256"] = change["weights"][folder]
    files = _undigested(facts["weights"])
    found = noted.digests([noted.place_of(*file) for file in files])
    for (folder, name), digest in zip(files, found):
        facts["weights"][folder][name]["sha256"] = digest
    known = {folder: _notes_of(folder, facts["weights"][folder]) for folder in facts["weights"]}
    _write(path.with_name(NOTES), known)
    _write(path, {"format": FORMAT, "planned": change["planned"], "noted": facts})


def _undigested(weights: Values) -> list[tuple[str, str]]:
    return [
        (folder, name)
        for folder, files in weights.items()
        for name, file in files.items()
        if file["sha256"] is None
    ]


def _notes_of(folder: str, files: Values) -> Values:
    times = noted.weights(folder)
    return {name: [*times[name], one["sha256"]] for name, one in files.items() if name in times}


def _write(path: Path, value: Any) -> None:
    write(path, noted.canonical(value), os.getuid(), os.getgid(), 0o600)
