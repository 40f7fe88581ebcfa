"""The Python that uv fetches for a host whose own none of its engines runs on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.specifiers import InvalidSpecifier
from packaging.version import Version

from rackwright.bundling.system import System, python_range
from rackwright.bundling.wanted import Wanted
from rackwright.bundling.wheels import Uv
from rackwright.errors import Fault, HostError, SpecError

FOLDER = "pythons"
KIND = "pythons"


def fetched(system: System, wanted: str, uv: Uv) -> tuple[str, Wanted]:
    """Version and archive of the Python that uv would install there, the newest of a range.

    Raises SpecError where ``engine_python`` means an interpreter that the host has to have, or
    nothing that uv knows; HostError in uv's words.
    """
    try:
        allowed = python_range(wanted)
    except InvalidSpecifier:
        rule = f"is no interpreter of a {system.key} host, and no version that uv could fetch"
        raise SpecError([Fault("settings.engine_python", rule, wanted)]) from None
    known = [one for one in _known(system, uv) if Version(one["version"]) in allowed]
    if not known:
        rule = f"is none of the Pythons that uv has for {system.key}"
        raise SpecError([Fault("settings.engine_python", rule, wanted)])
    newest = max(known, key=lambda one: Version(one["version"]))
    return newest["version"], Wanted(f"{FOLDER}/{below_mirror(newest['url'])}", newest["url"], KIND)


def below_mirror(url: str) -> str:
    """What stays of a URL where a mirror stands for its place: the release's date, and the file."""
    return "/".join(unquote(urlsplit(url).path).split("/")[-2:])


def _known(system: System, uv: Uv) -> Sequence[Mapping[str, Any]]:
    platform = f"linux-{system.machine}-gnu"
    said = uv("python", "list", "--only-downloads", "--all-versions", "--all-platforms",
              "--output-format", "json")  # fmt: skip
    try:
        return [
            one
            for one in json.loads(said)
            if one["key"] == f"cpython-{one['version']}-{platform}" and one.get("url")
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise HostError(f"what uv says of Pythons cannot be read ({error!r})") from None
