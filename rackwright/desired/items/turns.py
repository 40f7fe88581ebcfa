"""A step of a replica that was begun and has not ended: whoever comes next goes on with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from rackwright.desired.items.item import Observed


@dataclass(frozen=True)
class StepUnderWay:
    """No step of the replica ``key`` is under way; its mark would be in ``folder``.

    It is looked at with all else, and nothing that a host makes: a step ends it.
    """

    key: str
    folder: str
    kind: ClassVar[str] = "turn"

    def query(self) -> dict[str, Any]:
        """Where its mark would be."""
        return {"folder": self.folder}

    def payload(self) -> dict[str, Any]:
        """The same."""
        return self.query()

    def difference(self, seen: Observed) -> str | None:
        """The stage that it was left in."""
        if not seen:
            return None
        return f"a step of {seen.get('owner')} was left at {seen.get('stage')!r}: go on"
