"""What must not be there any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from rackwright.desired.items.item import Observed


@dataclass(frozen=True)
class Absent:
    """A path of ours that must not be there any more.

    A file counts as ours by a line that begins with ``mark``, a link by its target that does, a
    folder by what is in it: ``mark`` is then a pattern, ``*/.complete``. ``reload`` is the unit
    that had it loaded.
    """

    key: str
    mark: str
    reload: str = ""
    kind: ClassVar[str] = "absent"

    def query(self) -> dict[str, Any]:
        """Its path, and how to tell that it is ours."""
        return {"mark": self.mark}

    def payload(self) -> dict[str, Any]:
        """The same, and who must hear of it."""
        return {**self.query(), "reload": self.reload}

    def difference(self, seen: Observed) -> str | None:
        """There."""
        return "is not planned any more: remove" if seen else None
