"""Certificates that a host makes itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from rackwright.desired.items.item import Observed


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate, made on the host once, so that its key never travels."""

    key: str
    key_path: str
    names: tuple[str, ...]
    kind: ClassVar[str] = "certificate"

    def query(self) -> dict[str, Any]:
        """The paths, and the names it must be for: host names, or IP addresses."""
        return {"key_path": self.key_path, "names": list(self.names)}

    def payload(self) -> dict[str, Any]:
        """The same."""
        return self.query()

    def difference(self, seen: Observed) -> str | None:
        """Missing, without one of the names, or within 30 days of its end."""
        if not seen:
            return "missing"
        if seen["not_for"]:
            return f"is not for {', '.join(seen['not_for'])}"
        return "ends within 30 days" if seen["ends_soon"] else None
