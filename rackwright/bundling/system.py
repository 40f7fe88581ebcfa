"""A host's system, as it said it (``remote/system.py``), and what its files are chosen by."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import Field

from rackwright.errors import Fault, InputError, SpecError
from rackwright.locking.wheels import Target
from rackwright.schema.fields import Entry
from rackwright.schema.files import text_of, write
from rackwright.schema.validation import parse

SYSTEM_PYTHON = "/usr/bin/python3"
_WORD = r"^[A-Za-z0-9][A-Za-z0-9._+~-]{0,63}$"


class SourceFile(Entry):
    """One of apt's source files."""

    path: str
    text: str


class System(Entry):
    """What a host answered; see there. ``driver`` is what its driver is decided by, where asked."""

    id: str = Field(pattern=_WORD)
    version_id: str = Field(pattern=_WORD)
    codename: str = ""
    machine: str = Field(pattern=_WORD)
    architecture: str = Field(pattern=_WORD)
    glibc: str = Field(pattern=r"^([0-9]+\.[0-9]+)?$")
    pythons: dict[str, str]
    sources: tuple[SourceFile, ...]
    files: dict[str, str]
    status: str
    driver: dict[str, Any] | None = None

    @property
    def key(self) -> str:
        """As locks and manifests call it: ``debian 12 amd64``."""
        return f"{self.id} {self.version_id} {self.architecture}"

    @property
    def distribution(self) -> str:
        """As settings call it, and NVIDIA's repository: ``debian12``."""
        return distribution_of(self.key)

    @property
    def folder(self) -> str:
        """Of its packages, in a bundle."""
        return folder_of(self.key)

    def contents(self) -> dict[str, bytes]:
        """The files that its sources name, by path."""
        return {path: base64.b64decode(text) for path, text in self.files.items()}

    def installed(self) -> bytes:
        """dpkg's own list of what is installed."""
        return zlib.decompress(base64.b64decode(self.status))

    def target(self, python: str) -> Target:
        """What wheels have to fit, for a Python of it."""
        return Target(python, self.architecture, self.glibc)


def folder_of(system: str) -> str:
    """The folder of a system's packages, in a bundle; ``system`` is its key."""
    return f"debs/{system.replace(' ', '-')}"


def distribution_of(system: str) -> str:
    """A system's release as settings call it, and NVIDIA's repository; ``system`` is its key."""
    kind, version, _ = system.split(" ")
    return f"{kind}{version.replace('.', '')}"


def python_of(system: System, wanted: str) -> str | None:
    """The host's own Python that ``engine_python`` means, exactly; None where it has none.

    Of several the system's own, or else the newest.
    """
    fitting = {path: said for path, said in system.pythons.items() if _fits(path, said, wanted)}
    if SYSTEM_PYTHON in fitting:
        return fitting[SYSTEM_PYTHON]
    return max(fitting.values(), key=Version, default=None)


def _fits(path: str, version: str, wanted: str) -> bool:
    """Whether an interpreter is what a range, a version, a name or a path means."""
    if "/" in wanted or wanted.startswith("python"):
        return wanted in (path, path.rpartition("/")[2])
    try:
        return Version(version) in python_range(wanted)
    except (InvalidSpecifier, InvalidVersion):
        return False


def python_range(wanted: str) -> SpecifierSet:
    """A range of versions, or one version with all that come after its numbers (``3.12``).

    Raises InvalidSpecifier for a name or a path.
    """
    if re.fullmatch(r"[0-9]+(\.[0-9]+)*", wanted):
        return SpecifierSet(f"=={wanted}.*" if wanted.count(".") < 2 else f"=={wanted}")
    return SpecifierSet(wanted)


def system_of(name: str, answer: Mapping[str, Any]) -> System:
    """What a host answered. Raises SpecError where it cannot be read."""
    faults: list[Fault] = []
    system = parse(System, dict(answer), f"systems[{name}]", faults)
    if system is None:
        raise SpecError(faults, "in what a host said of its system")
    return system


def read_systems(path: Path) -> dict[str, System]:
    """Systems by host, of a file that ``write_systems`` wrote. Raises InputError, SpecError."""
    try:
        data = json.loads(text_of(path))
        return {str(name): system_of(str(name), answer) for name, answer in data.items()}
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        words = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read as systems of hosts: {words}") from None


def write_systems(path: Path, systems: Mapping[str, System]) -> None:
    """For where the hosts cannot be asked. Raises InputError.

    For its owner alone: what apt is configured for may have a password in it.
    """
    data = {name: system.model_dump(mode="json") for name, system in systems.items()}
    try:
        path.touch(mode=0o600)
        path.chmod(0o600)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    write(path, json.dumps(data, indent=1, sort_keys=True) + "\n")
