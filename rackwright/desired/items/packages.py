"""Packages of the distribution, and the boot images that hold what some of them bring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from debian.debian_support import Version

from rackwright.desired.items.files import File
from rackwright.desired.items.item import Observed
from rackwright.desired.items.stamps import digest_of


@dataclass(frozen=True)
class Package:
    """A package of the distribution, installed without what it merely recommends.

    ``version`` is the upstream one, pinned: an older or newer one is replaced. ``hold`` keeps
    upgrades that are not ours away from it.
    """

    key: str
    version: str | None = None
    hold: bool = False
    kind: ClassVar[str] = "package"

    def query(self) -> dict[str, Any]:
        """Only its name."""
        return {}

    def payload(self) -> dict[str, Any]:
        """Version and hold."""
        return {"version": self.version, "hold": self.hold}

    def difference(self, seen: Observed) -> str | None:
        """Not installed, left half installed by an interrupted apt, of another version, not held.

        One on hold is installed.
        """
        if not seen:
            return "not installed"
        if not seen["status"].endswith(" ok installed"):
            return f"is {seen['status']!r}"
        if self.version and upstream_version(seen["version"]) != self.version:
            return f"is {seen['version']}, not {self.version}"
        return "is not held" if self.hold and not seen["status"].startswith("hold ") else None


def upstream_version(version: str) -> str:
    """A Debian version without epoch and revision: ``1:580.159.04-1ubuntu1`` -> ``580.159.04``.

    A text that is no version stays as it is: dpkg tells none of a package it has begun to unpack.
    """
    try:
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
