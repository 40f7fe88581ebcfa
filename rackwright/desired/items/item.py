"""What every kind of item can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

Observed = Mapping[str, Any]
"""What the host answers for one item; an empty mapping where it has nothing of the kind."""


class Item(Protocol):
    """One thing a host must have."""

    @property
    def kind(self) -> str:
        """Name of the kind, which the host's half dispatches on."""

    @property
    def key(self) -> str:
        """What identifies the item among those of its kind: a path or a name."""

    def query(self) -> dict[str, Any]:
        """What the host needs to know to look at it."""

    def payload(self) -> dict[str, Any]:
        """What the host needs to know to make it so."""

    def difference(self, seen: Observed) -> str | None:
        """Why the host differs, in words; None when it is as it must be."""
