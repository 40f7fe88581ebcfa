"""What apt is configured for, and what it would find with other sources."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import STDOUT
from typing import Any

from rackwright.remote.host.running import ended, in_english, output
from rackwright.remote.host.supplies import OURS, instead

APT = Path("/etc/apt")
LISTS = Path("/var/lib/apt/lists")
COMPLAINTS = ("E:", "W:", "Error:", "Warning:", "Err:", "  ")

Values = dict[str, Any]


def sources() -> list[Values]:
    """The files that name archives: path and text."""
    paths = [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*"))]
    wanted = [path for path in paths if path.suffix in (".list", ".sources") and path.is_file()]
    return [{"path": str(path), "text": path.read_text(errors="replace")} for path in wanted]


def look(request: Values) -> Values:
    """What apt would find with these sources, asked in a folder of its own: nothing is changed.

    ``sources`` are files to add, name to text; ``names`` the packages asked about; ``prefix``
    names a family to list. Where ``apt`` has sources for this host, its own are not read.
    """
    added, alone = instead(request.get("apt"), request["sources"])
    with scratch(added, alone=alone) as options:
        words = update(options)
        try:
            table = output("apt-cache", *options, "madison", *request["names"])
            family = output("apt-cache", *options, "pkgnames", request["prefix"])
        except OSError:  # sources that apt cannot even read: what it said of them tells
            table = family = ""
    return {"update": words, "versions": _versions(table), "family": sorted(family.split())}


@contextmanager
def scratch(added: dict[str, str], pins: str = "", alone: bool = False) -> Iterator[list[str]]:
    """Options of apt for a folder of its own, which is gone after that.

    It has apt's own lists to begin with, the host's sources and preferences, and the added ones
    instead of ours. ``alone``: no sources but the added ones, and no lists.
    """
    with tempfile.TemporaryDirectory(prefix="rackwright-apt-", dir="/var/tmp") as folder:
        asked = {"rackwright-asked.pref": pins} if pins else {}
        yield _scratch(Path(folder), added, asked, alone)


def _others(kind: str, folder: Path, added: dict[str, str], alone: bool = False) -> Path:
    """A copy of what others put into a folder of apt's, and what is added to it."""
    parts = folder / kind
    parts.mkdir()
    for path in sorted((APT / kind).glob("*")):
        if path.is_file() and not path.name.startswith(OURS) and not alone:
            shutil.copy(path, parts)
    for name, text in added.items():
        (parts / name).write_text(text)
    return parts


def _scratch(folder: Path, added: dict[str, str], pins: dict[str, str], alone: bool) -> list[str]:
    folder.chmod(0o755)
    lists = folder / "lists"
    if LISTS.is_dir() and not alone:
        left_out = shutil.ignore_patterns("lock", "partial", "auxfiles")
        shutil.copytree(LISTS, lists, ignore=left_out)
    (lists / "partial").mkdir(parents=True)
    (folder / "archives/partial").mkdir(parents=True)
    settings = {
        "Dir::Etc::sourceparts": _others("sources.list.d", folder, added, alone),
        "Dir::Etc::preferencesparts": _others("preferences.d", folder, pins),
        "Dir::State::lists": lists,
        "Dir::Cache::archives": folder / "archives",  # of files that are there apt says nothing
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Sandbox::User": "root",
        "Acquire::Retries": 1,
        "Acquire::http::Timeout": 30,
        "Acquire::https::Timeout": 30,
        "Acquire::http::Proxy::127.0.0.1": "DIRECT",
        **({"Dir::Etc::sourcelist": "/dev/null"} if alone else {}),
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def update(options: Sequence[str]) -> str:
    """apt's complaints while it fetches the lists; an empty text where it has none."""
    done = ended("apt-get", *options, "update", "-q", env=in_english(), stderr=STDOUT)
    lines = done.stdout.splitlines()
    said = [line for line in lines if line.startswith(COMPLAINTS)]
    return "\n".join(line.strip() for line in said)


def _versions(table: str) -> dict[str, list[list[str]]]:
    """``apt-cache madison``: name to pairs of version and origin."""
    found: dict[str, list[list[str]]] = {}
    for line in table.splitlines():
        name, version, origin = [part.strip() for part in line.split("|", 2)]
        found.setdefault(name, []).append([version, origin.replace(" Packages", "").strip()])
    return found
