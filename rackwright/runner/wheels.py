"""Releases installed from wheels that one server fetched and the others took from it."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from pyinfra.api.host import Host

from rackwright.desired.engines import engines_of, release_request
from rackwright.errors import HostError
from rackwright.runner.fleet import FleetRun
from rackwright.runner.remote_call import call
from rackwright.runner.sideways import Exchange, Seen, supplied, taking_part

RELEASE, SCRIPT = "release", "wheels"
LIST_S = 1200
"""For one list: the installer may have to be installed before, and a Python fetched."""

Values = dict[str, Any]


def have_releases(fleet: FleetRun, one: Host) -> str:
    """Install the releases that a server lacks. Raises HostError with what it says."""
    request = request_of(fleet, one.name)
    assert request is not None
    wheels: Values = {}
    if one.name in fleet.spec.servers and not _is_bundled(fleet, one.name):
        with taking_part(fleet, one, WHEELS) as exchange:
            wheels = _taken(fleet, one, request, exchange)
    return installed(one, {**request, "wheels": wheels})


def installed(one: Host, request: Values) -> str:
    """Install what a host lacks, from where it has things from. Raises HostError."""
    asked = supplied(one, RELEASE, {**request, "do": "install"})
    words: str = call(one, RELEASE, asked, show=True)
    return words


def _is_bundled(fleet: FleetRun, name: str) -> bool:
    """A bundle's wheels come from it: no index lists them by URL and size."""
    return fleet.spec.settings[name].bundle is not None


def request_of(fleet: FleetRun, name: str) -> Values | None:
    """What ``remote/release.py`` needs for a server's engines; None without any."""
    return release_request(engines_of(fleet.plan.on(name)), fleet.settings(name))


def _taken(fleet: FleetRun, one: Host, request: Values, exchange: Exchange) -> Values:
    """Folders of releases to those of their wheels; none where uv has to fetch them itself."""
    own = [c for c in exchange.contents.values() if one.name in c.takers]
    folders = {"/".join(PurePosixPath(r["folder"]).parts[-2:]): r["folder"]
               for r in request["releases"]}  # fmt: skip
    wheels = {
        folders[content.label]: {"label": content.label, "files": content.files} for content in own
    }
    if not wheels:
        return {}
    asked = {
        **supplied(one, RELEASE, request),
        "do": "take",
        "wheels": wheels,
        "sideways": exchange.terms(fleet, one.name),
    }
    try:
        call(one, SCRIPT, asked, show=True)
    except HostError as error:
        one.log(f"  it fetches its wheels itself: {error}")
        return {}
    below = PurePosixPath(request["uv"]).parent.parent / "wheels"
    return {folder: str(below / PurePosixPath(folder).name) for folder in wheels}


class Wheels:
    """Wheels of releases, as servers give them to one another: those of this run alone.

    Once a release is installed its wheels are gone, so nobody has any for later.
    """

    kind, only_of_run = "wheels", True

    def look(self, fleet: FleetRun, one: Host) -> list[Seen]:
        """Each release that a server lacks and whose wheels are known."""
        request = request_of(fleet, one.name)
        bundled = _is_bundled(fleet, one.name)
        if (
            request is None
            or bundled
            or not call(one, RELEASE, {**request, "do": "observe"}, kind=list)
        ):
            return []
        asked = supplied(one, RELEASE, {**request, "do": "list"})
        told = call(one, SCRIPT, asked, timeout_s=LIST_S, kind=dict)
        return [
            Seen(f"{each['label']} {each['key']}", each["label"], True, files=each["files"])
            for each in told.values()
        ]

    def tell(self, fleet: FleetRun, one: Host, what: str) -> list[Any]:
        """Nobody is asked: who looks knows the files."""
        raise HostError(f"{one.name}: the wheels of {what} are not known")

    def give(self, fleet: FleetRun, one: Host, terms: Values, whole: list[Values]) -> None:
        """Nobody has any that lacks none."""


WHEELS = Wheels()
