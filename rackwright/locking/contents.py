"""The files of releases and models. Those of a digest or a revision never change: asked once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from rackwright.locking.change import counted
from rackwright.locking.hub import files_of
from rackwright.locking.lock import (
    Download,
    File,
    Lock,
    LockedArchive,
    LockedModel,
    LockedSystem,
    LockedVenv,
)
from rackwright.locking.offered import Offered
from rackwright.locking.outside import Outside, Problems
from rackwright.locking.pins import Pins
from rackwright.locking.wheels import Target, wheels_of


@dataclass(frozen=True)
class Contents:
    """What is asked for files, and what is known: ``old`` was locked before; ``said`` is told."""

    pins: Pins
    old: Lock
    outside: Outside
    problems: Problems
    said: Callable[[str], None]

    def release(
        self, key: str, release: LockedVenv | LockedArchive, targets: set[Target]
    ) -> LockedVenv | LockedArchive:
        """With the files that its targets take."""
        known = self.old.releases.get(key)
        if isinstance(release, LockedArchive):
            before = known.downloads if isinstance(known, LockedArchive) else {}
            downloads = {
                name: self._download(each, before.get(name))
                for name, each in release.downloads.items()
            }
            return release.model_copy(update={"downloads": downloads})
        names = tuple(sorted(map(str, targets)))
        if isinstance(known, LockedVenv) and known.wheels and known.targets == names:
            return release.model_copy(update={"targets": names, "wheels": known.wheels})
        packages = counted(release.packages, "package")
        self.said(f"{key}: the files of {packages}, from the index")
        ask = partial(wheels_of, release.requirements, targets, self.outside)
        nothing: dict[str, File] = {}
        wheels = self.problems.heard(ask, nothing)
        return release.model_copy(update={"targets": names, "wheels": wheels})

    def _download(self, download: Download, known: Download | None) -> Download:
        if known and known.size_bytes and known.sha256 == download.sha256:
            return download.model_copy(update={"size_bytes": known.size_bytes})
        size = self.problems.heard(partial(self.outside.size_bytes, download.url), None)
        return download.model_copy(update={"size_bytes": size})

    def model(
        self, key: str, model: LockedModel, folders: Mapping[str, dict[str, File]]
    ) -> LockedModel:
        """With its files: of a hub, or of ``folders`` on servers as they are there.

        Of one file the inventory says the digest.
        """
        known = self.old.models.get(key)
        if key in folders:
            return model.model_copy(update={"files": folders[key]})
        if model.files or model.pull:
            return model
        if known and known.files:
            return known
        if not (model.repo and model.revision):
            return model
        self.said(f"{key}: its files, from the hub")
        hub = self.pins.models[key].hub
        ask = partial(files_of, hub, model.repo, model.revision, self.outside)
        nothing: dict[str, File] = {}
        return model.model_copy(update={"files": self.problems.heard(ask, nothing)})


def folders_of(seen: Mapping[str, Offered], problems: Problems) -> dict[str, dict[str, File]]:
    """The files of each folder of a model that hosts have, the same on all of them."""
    found: dict[str, dict[str, File]] = {}
    on: dict[str, str] = {}
    for host, one in seen.items():
        for folder, files in one.models.items():
            if files and found.setdefault(folder, files) != files:
                other = found[folder]
                name = min(name for name in {*files, *other} if files.get(name) != other.get(name))
                problems.add(f"{folder}: {name} is not the same on {on[folder]} and {host}")
            elif files:
                on.setdefault(folder, host)
    return found


def targets_of(
    release: str, pins: Pins, hosts: Mapping[str, str], systems: Mapping[str, LockedSystem]
) -> set[Target]:
    """What a release is installed for: the systems of the hosts that get it."""
    keys = {hosts[host] for host, its in pins.hosts.items() if release in its.releases}
    return {
        Target(systems[key].python, key.split()[-1], systems[key].glibc)
        for key in keys
        if systems[key].python
    }
