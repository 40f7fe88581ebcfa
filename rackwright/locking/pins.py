"""What inventory and group data pin, by host, as values; ``pinned.py`` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rackwright.engines.release import Download

UV = "uv"
"""The release that installs the others which are Python environments."""


@dataclass(frozen=True)
class ReleasePin:
    """What a release is installed from: a requirements file of the project, or downloads.

    ``cuda`` is the CUDA major it is built with; None where nothing of it is, or nobody knows.
    """

    name: str
    version: str
    requirements: str = ""
    downloads: Mapping[str, Download] | None = None
    cuda: int | None = None


@dataclass(frozen=True)
class ModelPin:
    """Where weights come from: ``repo`` and ``revision``, ``path`` on servers, or ``pull``.

    ``file`` is the one file of an engine that serves such, whose ``sha256`` and size the inventory
    says; ``hub`` the URL of the hub that has the repository.
    """

    repo: str | None = None
    revision: str | None = None
    path: str | None = None
    pull: str | None = None
    file: str = ""
    sha256: str = ""
    size_bytes: int | None = None
    hub: str = ""


@dataclass(frozen=True)
class HostPins:
    """What one host gets: keys of releases and models, names of apt packages, the driver.

    ``driver`` is its version, None where it is nobody's here (no server, or its provider's);
    ``python`` what engines may run on, "" where none does.
    """

    releases: tuple[str, ...]
    models: tuple[str, ...]
    packages: tuple[str, ...]
    driver: str | None
    python: str


@dataclass(frozen=True)
class Pins:
    """Of the whole fleet; the keys are those of a ``Lock``."""

    hosts: Mapping[str, HostPins]
    releases: Mapping[str, ReleasePin]
    models: Mapping[str, ModelPin]

    @property
    def pythons(self) -> tuple[str, ...]:
        """What engines may run on: each way in which hosts say it."""
        return tuple(sorted({host.python for host in self.hosts.values() if host.python}))
