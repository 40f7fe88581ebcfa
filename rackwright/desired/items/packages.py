"""Packages of the distribution, and the boot images that hold what some of them bring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from rackwright.desired.items.files import File
from rackwright.desired.items.item import Observed
from rackwright.desired.items.stamps import digest_of


@dataclass(frozen=True)
class Package:
    """A package of the distribution, installed without what it merely recommends.

    ``version`` is the upstream one, pinned: an older or newer one is replaced. ``exact`` is that of
    the distribution, with epoch and revision, where a lock has it. ``hold`` keeps upgrades that are
    not ours away from it. One that is wanted only ``where_present`` comes with others that need it:
    where it is older than ``exact`` it is brought up to that.
    """

    key: str
    version: str | None = None
    hold: bool = False
    exact: str | None = None
    where_present: bool = False
    kind: ClassVar[str] = "package"

    def query(self) -> dict[str, Any]:
        """Only its name."""
        return {}

    def payload(self) -> dict[str, Any]:
        """Versions and hold."""
        wanted = {"version": self.version, "hold": self.hold, "exact": self.exact}
        return {**wanted, "where_present": self.where_present}

    def difference(self, seen: Observed) -> str | None:
        """Not installed, left half installed by an interrupted apt, of another version, not held.

        One on hold is installed.
        """
        if self.where_present:
            return self._outdated(seen)
        if not seen:
            return "not installed"
        if not seen["status"].endswith(" ok installed"):
            return f"is {seen['status']!r}"
        if self.exact and seen["version"] != self.exact:
            return f"is {seen['version']}, not {self.exact}"
        if self.version and upstream_version(seen["version"]) != self.version:
            return f"is {seen['version']}, not {self.version}"
        return "is not held" if self.hold and not seen["status"].startswith("hold ") else None

    def _outdated(self, seen: Observed) -> str | None:
        """Installed, and older than it is to be."""
        if not seen or not self.exact or not seen["status"].endswith(" ok installed"):
            return None
        from debian.debian_support import Version  # apt's own C, where it is there: slow to load

        is_older = Version(seen["version"]) < Version(self.exact)
        return f"is {seen['version']}, not {self.exact}" if is_older else None


def upstream_version(version: str) -> str:
    """A Debian version without epoch and revision: ``1:580.159.04-1ubuntu1`` -> ``580.159.04``.

    A text that is no version stays as it is: dpkg tells none of a package it has begun to unpack.
    """
    try:
        from debian.debian_support import Version  # of drivers alone

        return str(Version(version).upstream_version)
    except ValueError:
        return version


@dataclass(frozen=True)
class Initramfs:
    """The boot images of all kernels, made anew when one of ``files`` has changed."""

    key: str
    files: tuple[File, ...]
    kind: ClassVar[str] = "initramfs"

    @property
    def stamp(self) -> str:
        """Digest of the files."""
        return digest_of(self.files)

    def query(self) -> dict[str, Any]:
        """Only its name."""
        return {}

    def payload(self) -> dict[str, Any]:
        """What it was made of."""
        return {"stamp": self.stamp}

    def difference(self, seen: Observed) -> str | None:
        """Made of other files, or never by us."""
        if seen.get("stamp") == self.stamp:
            return None
        return f"does not know {', '.join(file.key for file in self.files)} yet: rebuild"
