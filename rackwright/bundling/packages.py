"""The apt repositories of a bundle: one for each system of the fleet."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rackwright.bundling.apt_root import AptRoot, require_apt
from rackwright.bundling.debs import Deb, index_files, resolved
from rackwright.bundling.drivers import driver_files
from rackwright.bundling.system import System, folder_of
from rackwright.bundling.wanted import Wanted
from rackwright.desired.items import File
from rackwright.desired.paths import PROJECT
from rackwright.errors import Fault, HostError
from rackwright.locking import Lock, Pins
from rackwright.locking.applied import (
    SNAPSHOT,
    locked_packages,
    preferences,
    snapshot_item,
)
from rackwright.locking.lock import Deb as LockedDeb
from rackwright.remote.host.supplies import OURS
from rackwright.spec import FleetSpec


class Repositories:
    """What hosts get by apt, resolved by apt: that of alike hosts together.

    After ``resolve``: ``names`` are the packages that are there with all that they need, by system,
    ``written`` the indexes by path.
    """

    def __init__(
        self,
        spec: FleetSpec,
        pins: Pins,
        lock: Lock | None,
        systems: Mapping[str, System],
        work: Path,
        said: Callable[[str], None],
    ) -> None:
        """``work`` is a folder for apt's lists."""
        self.spec, self.pins, self.lock, self.systems = spec, pins, lock, systems
        self.work, self.said = work, said
        self.wanted: list[Wanted] = []
        self.written: dict[str, bytes] = {}
        self.names: dict[str, tuple[str, ...]] = {}
        self.faults: list[Fault] = []
        self._roots: dict[str, AptRoot] = {}

    def resolve(self) -> None:
        """All systems. Raises InputError where this machine has no apt."""
        require_apt()
        for key in dict.fromkeys(self.systems[name].key for name in self.pins.hosts):
            hosts = [name for name in self.pins.hosts if self.systems[name].key == key]
            self.said(f"asking for the packages of {key} ({', '.join(hosts)})")
            debs: dict[str, Deb] = {}
            names: set[str] = set()
            for name in hosts:
                try:
                    debs.update(self._of_host(name))
                    names.update(self.pins.hosts[name].packages)
                except HostError as error:
                    self.faults.append(Fault(f"hosts[{name}].packages", str(error)))
            self.names[key] = tuple(sorted(names))
            self._add(folder_of(key), debs)

    def _add(self, folder: str, debs: Mapping[str, Deb]) -> None:
        self.wanted += [deb.wanted(folder) for deb in debs.values()]
        for file, content in index_files(list(debs.values())).items():
            self.written[f"{folder}/{file}"] = content

    def _of_host(self, name: str) -> dict[str, Deb]:
        system, pins = self.systems[name], self.pins.hosts[name]
        given = self._sources(name, system)
        driver = driver_files(name, self.spec, system) if pins.driver else None
        root = self._root(system, {**given, **(driver.sources if driver else {})})
        locked = preferences(self.lock, name, pins.driver) if self.lock else ""
        root.prefer(locked)
        found = resolved(root, system, self._asked(name, pins.packages))
        if driver:
            root.prefer("\n".join(filter(None, (locked, driver.preferences))))
            found += resolved(root, system, self._driver(name, pins.driver, driver.names))
        return {deb.file: deb for deb in found}

    def _asked(self, name: str, packages: Sequence[str]) -> list[str]:
        """Packages as apt is asked for them: where they are locked, all of those at their versions.

        A host that has an older one of them is brought up to it.
        """
        debs = locked_packages(self.lock, name, None) if self.lock else {}
        return [_exactly(one, debs) for one in sorted({*packages, *debs})]

    def _driver(self, name: str, version: str | None, packages: Sequence[str]) -> list[str]:
        """Those of the driver likewise; what follows a host's kernel is not locked."""
        debs = locked_packages(self.lock, name, version) if self.lock else {}
        return [_exactly(one, debs) for one in packages]

    def _root(self, system: System, sources: Mapping[str, str]) -> AptRoot:
        """One for all hosts that have the same archives: their lists are fetched once."""
        asked = json.dumps([system.key, sorted(sources.items()), sorted(system.files.items())])
        if asked not in self._roots:
            root = AptRoot(self.work / f"apt-{len(self._roots)}", system, sources)
            root.update()
            self._roots[asked] = root
        return self._roots[asked]

    def _sources(self, name: str, system: System) -> dict[str, str]:
        """As group data name them for this system, or else the host's own; and snapshots."""
        settings = self.spec.settings[name]
        snapshot = snapshot_item(self.lock, name, settings.apt_snapshot)
        then = {SNAPSHOT: snapshot.content.decode()} if isinstance(snapshot, File) else {}
        if relative := settings.apt_sources.get(system.distribution):
            return {f"/{relative}": (PROJECT / relative).read_text(encoding="utf-8"), **then}
        files = {one.path: one.text for one in system.sources}
        own = (path for path in files if not path.rpartition("/")[2].startswith(OURS))
        return {**{path: files[path] for path in own}, **then}


def _exactly(asked: str, debs: Mapping[str, LockedDeb]) -> str:
    """A package at the version that is locked, where it is."""
    name = asked.partition("=")[0]
    return f"{name}={debs[name].version}" if name in debs else asked
