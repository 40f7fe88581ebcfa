"""The files of a fleet's releases: wheels by the hosts' Pythons, archives by their architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from rackwright.bundling import wheels
from rackwright.bundling.manifest import BundledHost
from rackwright.bundling.system import System
from rackwright.bundling.wanted import Wanted
from rackwright.bundling.wheels import Listed, Uv
from rackwright.desired.paths import PROJECT
from rackwright.errors import Fault, HostError
from rackwright.locking import Pins, ReleasePin
from rackwright.locking.wheels import Target
from rackwright.spec import FleetSpec

ARCHIVES = "archives"
Paths = tuple[str, ...]


class Releases:
    """Releases being looked up. Afterwards ``wanted`` are their files, ``faults`` what has none."""

    def __init__(
        self,
        spec: FleetSpec,
        pins: Pins,
        systems: Mapping[str, System],
        uv: Uv,
        said: Callable[[str], None],
    ) -> None:
        """``said`` hears what is being asked."""
        self.spec, self.pins, self.systems, self.uv, self.said = spec, pins, systems, uv, said
        self.wanted: list[Wanted] = []
        self.faults: list[Fault] = []
        self._listed: dict[tuple[str, str | None], list[Listed]] = {}

    def of(self, hosts: Mapping[str, BundledHost]) -> dict[str, dict[str, Paths]]:
        """Paths by release, and by target of wheels or architecture of archives."""
        found: dict[str, dict[str, Paths]] = {}
        for name, bundled in hosts.items():
            for key in self.pins.hosts[name].releases:
                pin, kinds = self.pins.releases[key], found.setdefault(key, {})
                if pin.downloads is not None:
                    architecture = self.systems[name].architecture
                    kinds[architecture] = tuple(self._archive(key, pin, architecture))
                elif bundled.environment and bundled.environment not in kinds:
                    target = self.systems[name].target(bundled.python)
                    index = self.spec.settings[name].python_index
                    kinds[bundled.environment] = tuple(self._wheels(key, pin, target, index))
        return found

    def _archive(self, key: str, pin: ReleasePin, architecture: str) -> Iterator[str]:
        download = (pin.downloads or {}).get(architecture)
        if download is None:
            known = ", ".join(sorted(pin.downloads or ()))
            self.faults.append(Fault(f"releases[{key}]", f"is given for {known}", architecture))
            return
        path = f"{ARCHIVES}/{download.sha256}/{wheels.file_name(download.url)}"
        self.wanted.append(Wanted(path, download.url, ARCHIVES, sha256=download.sha256))
        yield path

    def _wheels(
        self, key: str, pin: ReleasePin, target: Target, index: str | None
    ) -> Iterator[str]:
        try:
            chosen, without = self.wheels_of(pin.requirements, target, index)
        except HostError as error:
            self.faults.append(Fault(f"releases[{key}]", str(error)))
            return
        self.faults += [Fault(f"releases[{key}]", f"has no wheel of {one}") for one in without]
        self.wanted += chosen
        yield from (one.path for one in chosen)

    def wheels_of(
        self, requirements: str, target: Target, index: str | None = None
    ) -> tuple[list[Wanted], list[str]]:
        """Of a file of the project: those that the target wants, and what has none, in words.

        Raises HostError.
        """
        path = PROJECT / requirements
        if (requirements, index) not in self._listed:
            self.said(f"asking for the files of {path.name}")
            self._listed[requirements, index] = wheels.listed(path, index, self.uv)
        text = path.read_text(encoding="utf-8")
        return wheels.chosen(self._listed[requirements, index], text, target)
