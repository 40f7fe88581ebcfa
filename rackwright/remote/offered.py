"""On the host: its system, and what its archives have of some packages. Nothing is changed.

The shape of the answer::

    id, version_id, codename   of os-release(5)
    architecture               dpkg's name of it: amd64
    glibc, python              versions; python is the system's own
    groups                     by name: packages (name: version, size_bytes, sha256), or error
    models                     by folder: its files (name: SHA-256, bytes), or nothing
    archives                   label and codename: date of the index
    complaints                 what apt said of the archives, "" for nothing
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rackwright.remote.downloads.locked_files import listed
from rackwright.remote.host.archives import scratch, update
from rackwright.remote.host.closure import closure, dates
from rackwright.remote.host.operating_system import os_release
from rackwright.remote.host.running import Failed, output
from rackwright.remote.host.supplies import instead

ONLY_LOOKS = True

Values = dict[str, Any]


def system() -> Values:
    """What the host runs."""
    release = os_release()
    return {
        "id": release["ID"],
        "version_id": release.get("VERSION_ID", ""),
        "codename": release.get("VERSION_CODENAME", ""),
        "architecture": output("dpkg", "--print-architecture").strip(),
        "glibc": (os.confstr("CS_GNU_LIBC_VERSION") or "").rpartition(" ")[2],
        "python": platform.python_version(),
    }


def _group(options: Sequence[str], names: Sequence[str]) -> Values:
    try:
        return {"packages": closure(options, names)}
    except Failed as failure:
        return {"error": str(failure)}


def main(request: Values) -> Values:
    """``groups`` are names of packages by group; ``sources`` and ``pins`` are added to apt's.

    ``models`` are folders, and what is known of their files.
    """
    added, alone = instead(request.get("apt"), request["sources"])
    with scratch(added, request["pins"], alone) as options:
        words = update(options)
        groups = {name: _group(options, names) for name, names in request["groups"].items()}
        lists = next(option for option in options if option.startswith("Dir::State::lists="))
        found = dates(Path(lists.partition("=")[2]))
    models = {folder: listed(Path(folder), known) for folder, known in request["models"].items()}
    said = {"groups": groups, "models": models, "archives": found, "complaints": words}
    return {**system(), **said}
