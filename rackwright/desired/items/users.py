"""System users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from rackwright.desired.items.item import Observed


@dataclass(frozen=True)
class User:
    """A system user without a login, with a group of the same name."""

    key: str
    home: str
    groups: tuple[str, ...] = ()
    kind: ClassVar[str] = "user"

    def query(self) -> dict[str, Any]:
        """Only its name."""
        return {}

    def payload(self) -> dict[str, Any]:
        """Home and supplementary groups."""
        return {"home": self.home, "groups": list(self.groups)}

    def difference(self, seen: Observed) -> str | None:
        """Missing, of another home, or not in a group that exists on the host."""
        if not seen:
            return "missing"
        if seen["home"] != self.home:
            return f"home is {seen['home']}, not {self.home}"
        absent = [name for name in self.groups if name in seen["missing_groups"]]
        return f"not in group {', '.join(absent)}" if absent else None
