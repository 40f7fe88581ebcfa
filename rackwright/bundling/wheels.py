"""The wheels of a hash-locked requirements file that fit a host, by URL.

The index is asked by uv, with this machine's own settings (mirrors, keys, certificates): it writes
what it finds as ``pylock.toml`` (PEP 751), with the URL, size and digest of every file.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from packaging.markers import Marker
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from rackwright.bundling.wanted import Wanted
from rackwright.errors import HostError
from rackwright.locking.requirements import read_requirements
from rackwright.locking.wheels import Target

FOLDER = "wheels"
KIND = "wheels"
Uv = Callable[..., str]
"""Words to uv, to what it prints; raises HostError in its words (``locking.outside``)."""


class Listed(NamedTuple):
    """A package of an index, at the locked version; ``files`` as in ``pylock.toml``."""

    name: str
    version: str
    marker: str
    files: Sequence[Mapping[str, Any]]


def markers(target: Target) -> dict[str, str]:
    """PEP 508's variables, of a Python on a system."""
    return {
        "implementation_name": "cpython",
        "implementation_version": target.python,
        "os_name": "posix",
        "platform_machine": target.machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": target.python,
        "python_version": ".".join(target.python.split(".")[:2]),
        "sys_platform": "linux",
        "extra": "",
    }


def listed(requirements: Path, index: str | None, uv: Uv) -> list[Listed]:
    """All files of all packages of a requirements file. Raises HostError in uv's words."""
    words = ["pip", "compile", "--quiet", "--no-deps", "--universal", "--no-header"]
    words += ["--format", "pylock.toml", "--python", sys.executable]
    words += ["--default-index", index] if index else []
    try:
        packages = tomllib.loads(uv(*words, str(requirements.resolve()))).get("packages", [])
        return [
            Listed(one["name"], one["version"], one.get("marker", ""), one.get("wheels", ()))
            for one in packages
        ]
    except HostError as error:
        raise HostError(f"{requirements.name}: the index gave no answer: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise HostError(f"{requirements.name}: uv's answer cannot be read ({error!r})") from None


def chosen(
    packages: Sequence[Listed], requirements: str, target: Target
) -> tuple[list[Wanted], list[str]]:
    """The best wheel of each package that the target wants; and what has none, in words.

    Only files whose digest the requirements have count.
    """
    locked = {(one.name, one.version): one.sha256 for one in read_requirements(requirements)}
    conditions = markers(target)
    ranks = {tag: rank for rank, tag in reversed(list(enumerate(target.tags())))}
    wanted: list[Wanted] = []
    without: list[str] = []
    for package in packages:
        if package.marker and not Marker(package.marker).evaluate(conditions):
            continue
        digests = locked.get((package.name, package.version), frozenset())
        if best := _best(package, digests, ranks):
            wanted.append(best)
        else:
            without.append(f"{package.name} {package.version} for {target}")
    return wanted, without


def _best(package: Listed, digests: frozenset[str], ranks: Mapping[Tag, int]) -> Wanted | None:
    ranked = []
    for file in package.files:
        digest, name = file.get("hashes", {}).get("sha256"), file_name(file["url"])
        rank = _rank(name, ranks)
        if digest in digests and rank is not None:
            size = file.get("size")
            one = Wanted(f"{FOLDER}/{name}", file["url"], KIND, size, digest)
            ranked.append((rank, name, one))
    return min(ranked, key=lambda pair: pair[:2])[2] if ranked else None


def _rank(name: str, ranks: Mapping[Tag, int]) -> int | None:
    try:
        tags = parse_wheel_filename(name)[3]
    except InvalidWheelFilename:
        return None
    return min((ranks[tag] for tag in tags if tag in ranks), default=None)


def file_name(url: str) -> str:
    """The last name of a URL, as a file has it."""
    return unquote(urlsplit(url).path.rpartition("/")[2])
