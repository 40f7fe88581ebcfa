"""Which files of a requirements file a Python on a system takes: names, sizes and digests."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from rackwright.errors import HostError
from rackwright.locking.lock import File
from rackwright.locking.outside import Outside, located

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""dpkg's names of architectures to those of wheels."""
UV_KNOWS = (40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 28, 17)
"""Minor versions of glibc 2 that uv resolves for; another system takes the next older one's."""
LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
"""What wheels of an old glibc are called as well (PEP 600)."""


@dataclass(frozen=True, order=True)
class Target:
    """What wheels are for: Python and glibc by version, architecture as dpkg calls it."""

    python: str
    architecture: str
    glibc: str

    def __str__(self) -> str:
        """As a lock writes it: ``3.11 amd64 glibc 2.36``."""
        return f"{'.'.join(self.python.split('.')[:2])} {self.architecture} glibc {self.glibc}"

    @property
    def machine(self) -> str:
        """The kernel's name of the architecture."""
        return MACHINES.get(self.architecture, self.architecture)

    @property
    def glibc_minor(self) -> int:
        """Of glibc 2."""
        return int(self.glibc.split(".")[1])

    @property
    def platform(self) -> str:
        """As uv calls it."""
        known = next((minor for minor in UV_KNOWS if minor <= self.glibc_minor), UV_KNOWS[-1])
        return f"{self.machine}-manylinux_2_{known}"

    def tags(self) -> list[Tag]:
        """What its Python takes, best first."""
        major, minor = map(int, self.python.split(".")[:2])
        platforms = list(_platforms(self.glibc_minor, self.machine))
        version = (major, minor)
        interpreter = f"cp{major}{minor}"
        own = cpython_tags(version, platforms=platforms)
        return [*own, *compatible_tags(version, interpreter, platforms)]


def _platforms(glibc_minor: int, machine: str) -> Iterator[str]:
    for minor in range(glibc_minor, 4, -1):
        yield f"manylinux_2_{minor}_{machine}"
        if minor in LEGACY:
            yield f"{LEGACY[minor]}_{machine}"
    yield f"linux_{machine}"


def wheels_of(requirements: str, targets: Iterable[Target], outside: Outside) -> dict[str, File]:
    """By file name, what any of the targets takes. Raises HostError where the index lacks one."""
    found: dict[str, File] = {}
    for target in sorted(targets):
        found |= dict(_chosen(requirements, target, outside))
    return dict(sorted(found.items()))


def _chosen(requirements: str, target: Target, outside: Outside) -> Iterator[tuple[str, File]]:
    said = outside.uv(
        *("pip", "compile", "--quiet", "--no-header", "--no-deps", "--format", "pylock.toml"),
        *("--python-version", target.python, "--python-platform", target.platform),
        located(requirements),
    )
    try:
        packages = tomllib.loads(said).get("packages", [])
        rank = {tag: place for place, tag in enumerate(target.tags())}
        for package in packages:
            yield _best(package, rank, target)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise HostError(f"what uv says of {requirements} cannot be read ({error!r})") from None


def _best(package: Mapping[str, Any], rank: Mapping[Tag, int], target: Target) -> tuple[str, File]:
    """The wheel that fits best, or else the source."""
    ranked = []
    for wheel in package.get("wheels", ()):
        place = _place(_name(wheel), rank)
        if place is not None:
            ranked.append((place, _name(wheel), wheel))
    if ranked:
        _, name, entry = min(ranked, key=lambda one: one[:2])
        return name, _file(entry)
    source = package.get("sdist") or package.get("archive")
    if source is None:
        raise HostError(f"{package['name']} {package.get('version', '')} has no file for {target}")
    return _name(source), _file(source)


def _place(name: str, rank: Mapping[Tag, int]) -> int | None:
    try:
        _, _, _, tags = parse_wheel_filename(name)
    except InvalidWheelFilename:
        return None
    return min((rank[tag] for tag in tags if tag in rank), default=None)


def _name(entry: Mapping[str, Any]) -> str:
    place = str(entry.get("name") or entry.get("url") or entry["path"])
    return PurePosixPath(unquote(urlsplit(place).path)).name


def _file(entry: Mapping[str, Any]) -> File:
    return File(sha256=entry["hashes"]["sha256"], size_bytes=entry.get("size"))
