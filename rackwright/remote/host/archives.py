"""What apt is configured for, and what it would find with other sources."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from subprocess import STDOUT
from typing import Any

from rackwright.remote.host.running import ended, in_english, output

APT = Path("/etc/apt")
LISTS = Path("/var/lib/apt/lists")
COMPLAINTS = ("E:", "W:", "Error:", "Warning:", "Err:", "  ")
OURS = "rackwright-"
"""How source files begin that were written here."""

Values = dict[str, Any]


def sources() -> list[Values]:
    """The files that name archives: path and text."""
    paths = [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*"))]
    wanted = [path for path in paths if path.suffix in (".list", ".sources") and path.is_file()]
    return [{"path": str(path), "text": path.read_text(errors="replace")} for path in wanted]


def look(request: Values) -> Values:
    """What apt would find with these sources, asked in a folder of its own: nothing is changed.

    ``sources`` are files to add, name to text; ``names`` the packages asked about; ``prefix``
    names a family to list.
    """
    with tempfile.TemporaryDirectory(prefix="rackwright-apt-", dir="/var/tmp") as folder:
        options = _scratch(Path(folder), request["sources"])
        words = _update(options)
        try:
            table = output("apt-cache", *options, "madison", *request["names"])
            family = output("apt-cache", *options, "pkgnames", request["prefix"])
        except OSError:  # sources that apt cannot even read: what it said of them tells
            table = family = ""
    return {"update": words, "versions": _versions(table), "family": sorted(family.split())}


def _scratch(folder: Path, added: dict[str, str]) -> list[str]:
    """apt's own lists to begin with, the host's sources, and the added ones instead of ours."""
    folder.chmod(0o755)
    parts, lists = folder / "sources.list.d", folder / "lists"
    parts.mkdir()
    for path in sorted((APT / "sources.list.d").glob("*")):
        if path.is_file() and not path.name.startswith(OURS):
            shutil.copy(path, parts)
    for name, text in added.items():
        (parts / name).write_text(text)
    if LISTS.is_dir():
        left_out = shutil.ignore_patterns("lock", "partial", "auxfiles")
        shutil.copytree(LISTS, lists, ignore=left_out)
    (lists / "partial").mkdir(parents=True)
    settings = {
        "Dir::Etc::sourceparts": parts,
        "Dir::State::lists": lists,
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Sandbox::User": "root",
        "Acquire::Retries": 1,
        "Acquire::http::Timeout": 30,
        "Acquire::https::Timeout": 30,
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _update(options: Sequence[str]) -> str:
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
