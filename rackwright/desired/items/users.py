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
        """Its home, by which one that we made is known."""
        return {"home": self.home}

    def payload(self) -> dict[str, Any]:
        """Home and supplementary groups."""
        return {**self.query(), "groups": list(self.groups)}

    def difference(self, seen: Observed) -> str | None:
        """Missing, somebody else's, of another home, or not in a group that the host has."""
        if seen.get("foreign"):
            return f"{seen['foreign']}: not ours"
        if "home" not in seen:
            return "missing"
        if seen["home"] != self.home:
            return f"home is {seen['home']}, not {self.home}"
        absent = [name for name in self.groups if name in seen["missing_groups"]]
        return f"not in group {', '.join(absent)}" if absent else None
