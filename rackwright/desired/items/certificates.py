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
    server_name: str
    kind: ClassVar[str] = "certificate"

    def query(self) -> dict[str, Any]:
        """The paths, and the name it must be for."""
        return {"key_path": self.key_path, "server_name": self.server_name}

    def payload(self) -> dict[str, Any]:
        """The same."""
        return self.query()

    def difference(self, seen: Observed) -> str | None:
        """Missing, for another name, or within 30 days of its end."""
        if not seen:
            return "missing"
        if not seen["for_name"]:
            return f"is not for {self.server_name}"
        return "ends within 30 days" if seen["ends_soon"] else None
