"""What the archives of a host offer, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rackwright.desired.items import Package, upstream_version
from rackwright.driver import packages
from rackwright.driver.facts import Unknown


@dataclass(frozen=True)
class Offers:
    """The reply of ``remote/driver.py`` to ``look``. Everything asked may raise Unknown."""

    seen: Mapping[str, Any]

    def complaints(self, about: str = "") -> list[str]:
        """Lines in which apt complains, of one archive where its URL is given."""
        words = self.seen.get("update")
        if not isinstance(words, str):
            raise Unknown("what apt says of the archives was not observed")
        return [line for line in words.splitlines() if about.rstrip("/") in line]

    def versions(self, name: str) -> list[str]:
        """The versions of a package, newest first."""
        try:
            return [str(version) for version, _ in self.seen["versions"].get(name, [])]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Unknown(f"what the archives offer is garbled: {error!r}") from None

    def has(self, package: Package) -> bool:
        """Whether the package can be had, in the version that is pinned."""
        versions = self.versions(package.key)
        if package.exact is not None:
            return package.exact in versions
        if package.version is None:
            return bool(versions)
        return any(upstream_version(version) == package.version for version in versions)

    @property
    def pinned(self) -> list[str]:
        """The driver versions that NVIDIA's repository has a pin for."""
        family = self.seen.get("family")
        if not isinstance(family, list):
            raise Unknown("which drivers the archives offer was not observed")
        names = [str(name).removeprefix(packages.PINNING) for name in family]
        return [name for name in names if "." in name]
