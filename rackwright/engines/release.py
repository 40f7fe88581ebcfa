"""What an engine installs on a host: one release, pinned, in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Venv:
    """A Python environment from a hash-locked requirements file, named relative to the project.

    ``smoke_test`` is Python that must run in it before the release counts as whole; ``amendment``
    is Python that mends the environment before that. ``distribution`` is the package whose version
    is the release's; empty where none is.
    """

    requirements: str
    smoke_test: str
    amendment: str = ""
    distribution: str = ""


class Download(NamedTuple):
    """A file by URL, known by its digest (SHA-256, hex)."""

    url: str
    sha256: str


@dataclass(frozen=True)
class Archive:
    """A tar archive, one for each architecture (Debian's names: amd64, arm64).

    ``smoke_test`` is a command that must run in its folder; its program is a path inside.
    """

    downloads: Mapping[str, Download]
    smoke_test: tuple[str, ...]


@dataclass(frozen=True)
class Release:
    """One version of an engine, and the system's packages that it needs."""

    version: str
    content: Venv | Archive
    packages: tuple[str, ...] = ()
