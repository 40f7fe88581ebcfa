"""What an engine installs on a host: one release, pinned, in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple, Protocol

from rackwright.catalog import Capability
from rackwright.catalog.drivers import numbers

if TYPE_CHECKING:
    from rackwright.schema.fields import Digests
    from rackwright.spec import Settings


@dataclass(frozen=True)
class Venv:
    """A Python environment from a hash-locked requirements file, named relative to the project.

    ``smoke_test`` is Python that must run in it before the release counts as whole; ``amendment``
    is Python that mends the environment before that. ``sample`` is a script of ``remote``
    with which the engine then samples on a GPU, where there is one. ``distribution`` is the package
    whose version is the release's; empty where none is.
    """

    requirements: str
    smoke_test: str
    amendment: str = ""
    sample: str = ""
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


def archive_of(url: str, digests: Digests, version: str, smoke_test: tuple[str, ...]) -> Archive:
    """An archive from settings: a URL with ``{version}`` and ``{arch}``, and its digests."""
    known = {"amd64": digests} if isinstance(digests, str) else digests
    downloads = {
        arch: Download(url.replace("{version}", version).replace("{arch}", arch), sha256)
        for arch, sha256 in known.items()
    }
    return Archive(downloads, smoke_test)


class CudaBuild(NamedTuple):
    """From which ``version`` on an engine is built with this torch and this CUDA major.

    ``oldest_gpu`` is the compute capability from which on its kernels are there.
    """

    version: str
    torch: str
    cuda: int
    oldest_gpu: Capability
    source: str


def build_of(builds: Sequence[CudaBuild], version: str) -> CudaBuild | None:
    """What a version is built with; None where that is not known."""
    known = [build for build in builds if numbers(build.version) <= numbers(version)]
    return max(known, key=lambda build: numbers(build.version)) if known else None


def cuda_of(builds: Sequence[CudaBuild], version: str) -> int | None:
    """The CUDA major that a version is built with; None where that is not known."""
    build = build_of(builds, version)
    return build.cuda if build else None


@dataclass(frozen=True)
class Release:
    """One version of an engine, and the system's packages that it needs.

    ``environment`` holds for each of its processes, the trial before it is live included; in it
    ``{release}`` is its folder and ``{compiled}`` one for what its replicas compile at run time.
    """

    version: str
    content: Venv | Archive
    packages: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def environment_in(self, folder: str, compiled: str) -> dict[str, str]:
        """The environment, with these folders in it."""
        places = {"{release}": folder, "{compiled}": compiled}
        return {name: _placed(value, places) for name, value in self.environment.items()}

    @property
    def shares_compiled(self) -> bool:
        """Whether its replicas share a folder for what they compile."""
        return any("{compiled}" in value for value in self.environment.values())


class Released(Protocol):
    """What is installed on hosts, by its name and the release that their settings pin."""

    name: str

    def release(self, settings: Settings) -> Release:
        """What is installed for it."""
        ...


def _placed(value: str, places: Mapping[str, str]) -> str:
    for name, place in places.items():
        value = value.replace(name, place)
    return value


def script_text(script: str) -> str:
    """The text of a script of ``remote`` that lies on hosts as a file, and stands alone there."""
    return (files("rackwright") / f"remote/{script}.py").read_text()
