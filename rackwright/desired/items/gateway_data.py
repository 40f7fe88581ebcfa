"""Data files that a running gateway reads again by itself, without a reload of Nginx."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from rackwright.desired.items.files import File
from rackwright.desired.items.item import Observed


@dataclass(frozen=True)
class GatewayData:
    """What the gateway at the socket ``key`` has loaded is what lies in its files.

    ``fleet`` is an item of the same list; ``keys_path`` may be written by others too. What it has
    loaded it says itself, so no run has to remember. Files that it refuses are put back.
    """

    key: str
    fleet: File
    keys_path: str
    unit: str = "nginx.service"
    kind: ClassVar[str] = "gateway data"

    def query(self) -> dict[str, Any]:
        """Which files; by the names that the gateway tells their digests by."""
        return {"files": {"fleet": self.fleet.key, "keys_sha256": self.keys_path}}

    def payload(self) -> dict[str, Any]:
        """The same, and who must be running."""
        return {**self.query(), "unit": self.unit}

    def difference(self, seen: Observed) -> str | None:
        """Nobody answers, or what is loaded is older than the plan or the keys."""
        if not seen:
            return "not loaded: load"
        if seen["loaded"].get("fleet") != self.fleet.sha256:
            return "has an older plan loaded: load"
        if (seen["loaded"].get("keys_sha256") or None) != seen["files"]["keys_sha256"]:
            return "has older keys loaded: load"
        return None
