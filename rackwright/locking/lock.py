"""The lock as values: everything that a fleet installs, by version, size and digest."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rackwright.schema.fields import Architecture, Entry, ProjectPath, Repo, Revision, Sha256, Whole

Text = Annotated[str, Field(min_length=1, max_length=4096)]


class File(Entry):
    """A file's digest, and its size in bytes where that is known."""

    sha256: Sha256
    size_bytes: Whole | None = None


class Deb(File):
    """A package of a distribution as one file: ``version`` as dpkg says it, with epoch."""

    version: Text


class LockedVenv(Entry):
    """A release that is a Python environment.

    ``sha256`` is of its requirements file, which holds the hashes of all wheels of each package;
    ``packages`` are the versions in it, ``wheels`` (by file name) those that the fleet's
    ``targets`` take, a target being ``3.11 amd64 glibc 2.36``; both are empty where no index was
    asked. ``cuda`` is the CUDA major that it is built with, None where that is not known or nothing
    of it.
    """

    kind: Literal["venv"] = "venv"
    version: str
    requirements: ProjectPath
    sha256: Sha256
    cuda: Whole | None = None
    packages: dict[str, str]
    targets: tuple[str, ...] = ()
    wheels: dict[str, File] = Field(default_factory=dict)


class Download(File):
    """An archive by URL."""

    url: Text


class LockedArchive(Entry):
    """A release that is an archive, one for each architecture."""

    kind: Literal["archive"] = "archive"
    version: str
    cuda: Whole | None = None
    downloads: dict[Architecture, Download]


class LockedModel(Entry):
    """A model's weights: of a repository at a revision, pulled, or put on servers by the operator.

    ``files`` are by their path in the repository or folder; a single file by its name. Empty where
    nobody was asked.
    """

    repo: Repo | None = None
    revision: Revision | None = None
    path: str | None = None
    pull: str | None = None
    files: dict[str, File] = Field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Of all its files whose size is known."""
        return sum(file.size_bytes or 0 for file in self.files.values())


class LockedSystem(Entry):
    """Hosts of one release and architecture: what they have, and what is installed on them.

    ``python`` is the version that engines run on there, ``python_from`` who brings it: the system,
    or uv, which knows its archives by digest. ``wanted`` are the packages that Rackwright names,
    ``packages`` those and all that they need. ``archives`` says of when the
    archives' indexes were: URL and suite to their date, by which a snapshot has them.
    """

    codename: str = ""
    glibc: str = ""
    python: str = ""
    python_from: Literal["system", "uv"] = "system"
    wanted: tuple[str, ...] = ()
    packages: dict[str, Deb] = Field(default_factory=dict)
    archives: dict[str, str] = Field(default_factory=dict)


class LockedDriver(Entry):
    """A version of the NVIDIA driver on one system: the packages that bring it, and theirs.

    ``archive`` is nvidia-debian, nvidia-ubuntu, ubuntu or debian, ``archives`` as of a system.
    """

    version: str
    archive: str
    wanted: tuple[str, ...] = ()
    packages: dict[str, Deb] = Field(default_factory=dict)
    archives: dict[str, str] = Field(default_factory=dict)


class Lock(Entry):
    """All of a fleet. ``hosts`` has the system of each that was asked; keys are as in the room's
    docstring. A file of another ``format`` was written by another release of Rackwright.
    """

    format: Literal[1] = 1
    engine_python: tuple[str, ...] = ()
    hosts: dict[str, str] = Field(default_factory=dict)
    releases: dict[str, LockedVenv | LockedArchive] = Field(default_factory=dict)
    models: dict[str, LockedModel] = Field(default_factory=dict)
    systems: dict[str, LockedSystem] = Field(default_factory=dict)
    drivers: dict[str, LockedDriver] = Field(default_factory=dict)

    def system_of(self, host: str) -> LockedSystem | None:
        """What is locked of a host's system; None where it was never asked."""
        return self.systems.get(self.hosts.get(host, ""))

    def driver_of(self, host: str, version: str | None) -> LockedDriver | None:
        """What is locked of a driver version on a host; None where it is not, or there is none."""
        return self.drivers.get(driver_key(version or "", self.hosts.get(host, "")))


def driver_key(version: str, system: str) -> str:
    """How a driver is called in a lock."""
    return f"{version} on {system}"
