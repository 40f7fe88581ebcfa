"""Which Python engines run on, on a system: its own where that will do, or one that uv brings."""

from __future__ import annotations

import json
import re
from typing import Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from rackwright.errors import HostError
from rackwright.locking.lock import LockedSystem
from rackwright.locking.outside import Outside
from rackwright.locking.wheels import MACHINES

Chosen = tuple[str, Literal["system", "uv"]]


def python_for(wanted: str, own: str, architecture: str, outside: Outside) -> Chosen:
    """Version, and who brings it: ``wanted`` as ``engine_python`` says it, ``own`` the system's.

    Of an interpreter by its path nobody but the host knows the version: it is "". Raises HostError
    where uv has none that is wanted.
    """
    spec = _specifier(wanted)
    if spec is None:
        return "", "system"
    if spec.contains(own):
        return own, "system"
    listed = outside.uv(
        *("python", "list", "--only-downloads", "--all-arches", "--output-format", "json"), wanted
    )
    try:
        return _newest(json.loads(listed), MACHINES.get(architecture, architecture)), "uv"
    except (KeyError, TypeError, ValueError) as error:
        raise HostError(f"what uv says of Python {wanted} cannot be read ({error!r})") from None


def _specifier(wanted: str) -> SpecifierSet | None:
    """A range, or a version (``3.12``, ``python3.12``) as one; None for a path."""
    plain = re.fullmatch(r"(?:python)?([0-9]+(?:\.[0-9]+){0,2})", wanted)
    if plain:
        exact = plain[1].count(".") == 2
        return SpecifierSet(f"=={plain[1]}" if exact else f"=={plain[1]}.*")
    try:
        return SpecifierSet(wanted)
    except InvalidSpecifier:
        return None


def _newest(listed: list[dict[str, str]], machine: str) -> str:
    usual = {"os": "linux", "libc": "gnu", "variant": "default", "implementation": "cpython"}
    for one in listed:
        if one["arch"] == machine and all(one[key] == value for key, value in usual.items()):
            return one["version"]
    raise HostError(f"uv has no Python for {machine} that engine_python wants")


def with_python(
    system: LockedSystem, wanted: str, architecture: str, outside: Outside
) -> LockedSystem:
    """The system with the Python that engines run on there."""
    version, source = python_for(wanted, system.python, architecture, outside)
    return system.model_copy(update={"python": version, "python_from": source})
