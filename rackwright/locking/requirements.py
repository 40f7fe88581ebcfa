"""A hash-locked requirements file, read: packages, versions, conditions and digests of files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Requirement:
    """One package at one version; ``condition`` is its environment marker, or empty.

    ``sha256`` are those of all files that may be it: of each system and Python.
    """

    name: str
    version: str
    condition: str
    sha256: frozenset[str]


def read_requirements(text: str) -> tuple[Requirement, ...]:
    """The requirements of a file as ``uv pip compile --generate-hashes`` writes it, in its order.

    Of a package by URL the URL is its version. What is no requirement is passed over: whether a
    file is locked is ``inventory.project_files.unlocked``'s to say.
    """
    return tuple(_requirements(re.sub(r"\\\n", " ", text)))


def _requirements(text: str) -> Iterator[Requirement]:
    for line in text.splitlines():
        words = re.sub(r"(^|\s)#.*", "", line).strip()
        asked, _, _ = words.partition(" --hash")
        named, _, condition = asked.partition(";")
        name, separator, version = _split(named.strip())
        if separator and not words.startswith("-"):
            digests = frozenset(_HASH.findall(words))
            yield Requirement(normalized(name), version, condition.strip(), digests)


def _split(named: str) -> tuple[str, str, str]:
    separator = "==" if "==" in named else "@"
    name, found, version = named.partition(separator)
    return re.sub(r"\[.*", "", name).strip(), found, version.strip()


def normalized(name: str) -> str:
    """A package's name as indexes write it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def versions_of(text: str) -> dict[str, str]:
    """Version by name; of a package with several, under conditions, all of them in one text."""
    found: dict[str, list[str]] = {}
    for one in read_requirements(text):
        found.setdefault(one.name, []).append(one.version)
    return {name: ", ".join(versions) for name, versions in sorted(found.items())}
