"""Packages of a system with all that they need, and the flat apt repository made of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from debian.deb822 import Deb822, Packages

from rackwright.bundling.apt_root import AptRoot
from rackwright.bundling.system import System
from rackwright.bundling.wanted import Wanted
from rackwright.errors import HostError

KIND = "packages"
POOL = "pool"
MADE = "Thu, 01 Jan 1970 00:00:00 UTC"
"""Of a Release file, which apt wants to have one: the same for the same packages."""
_FETCHED = re.compile(r"^'([^']+)' (\S+) (\d+)(?: (\S*))?\s*$", re.MULTILINE)
"""A line of ``--print-uris``: URL, name of the file, size, and mostly an MD5."""


@dataclass(frozen=True)
class Deb:
    """A package as a file of an archive; ``record`` is what the archive's index says of it."""

    url: str
    file: str
    record: Mapping[str, str] = field(hash=False, compare=False)

    @property
    def path(self) -> str:
        """Relative to the repository."""
        return f"{POOL}/{self.file}"

    def wanted(self, folder: str) -> Wanted:
        """The file, in the repository at ``folder`` of a bundle."""
        size, sha256 = int(self.record["Size"]), self.record["SHA256"]
        return Wanted(f"{folder}/{self.path}", self.url, KIND, size, sha256)


def resolved(root: AptRoot, system: System, names: Sequence[str]) -> list[Deb]:
    """Packages with all that they need on a host, and on one that has nothing yet.

    The latter holds for a host that is made anew; the former has what apt would have to upgrade
    beside it. Raises HostError in apt's words.
    """
    status = root.folder / "status"
    status.write_bytes(system.installed())
    said = [root.transaction(names, one) for one in (root.empty, status)]
    return _with_records(root, {match for text in said for match in _FETCHED.findall(text)})


def _with_records(root: AptRoot, fetched: set[tuple[str, str, str, str]]) -> list[Deb]:
    by_file = {file: (url, size) for url, file, size, _ in sorted(fetched)}
    asked = sorted(f"{name}={version}" for name, version, _ in map(_parts, by_file))
    records: dict[tuple[str, str, str, str], Packages] = {}
    for record in Packages.iter_paragraphs(root.records(asked).splitlines(), use_apt_pkg=False):
        key = (record["Package"], record["Version"], record["Architecture"], record["Size"])
        if "SHA256" in record:
            records[key] = record
    lacking = [file for file, (_, size) in by_file.items() if (*_parts(file), size) not in records]
    if lacking:
        words = f"{root.system.key}: the archive has no SHA-256 of {', '.join(lacking[:5])}"
        raise HostError(words)
    return [
        Deb(url, file, records[(*_parts(file), size)])
        for file, (url, size) in sorted(by_file.items())
    ]


def _parts(file: str) -> tuple[str, str, str]:
    """Package, version and architecture of a file's name, as apt writes it."""
    name, version, rest = file.rsplit("_", 2)
    return name, unquote(version), rest.removesuffix(".deb")


def index_files(debs: Sequence[Deb]) -> dict[str, bytes]:
    """``Packages`` and ``Release`` of a flat repository; the same for the same packages."""
    packages = "\n".join(_records(debs)).encode()
    digest = hashlib.sha256(packages).hexdigest()
    release = {
        "Origin": "Rackwright",
        "Label": "bundle",
        "Date": MADE,
        "SHA256": f"\n {digest} {len(packages)} Packages",
    }
    return {"Packages": packages, "Release": str(Deb822(release)).encode()}


def _records(debs: Sequence[Deb]) -> Iterator[str]:
    for deb in sorted(debs, key=lambda one: one.file):
        record = Deb822(dict(deb.record))
        record["Filename"] = f"./{deb.path}"
        yield str(record)
