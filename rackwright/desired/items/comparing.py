"""Items beside what a host answered: what differs, and what is sent to change it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rackwright.desired.items.certificates import Certificate
from rackwright.desired.items.gateway_data import GatewayData
from rackwright.desired.items.item import Item, Observed
from rackwright.desired.items.units import Unit


@dataclass(frozen=True)
class Change:
    """An item that differs on the host, and why."""

    item: Item
    reason: str
    seen: Observed

    def __str__(self) -> str:
        """As an operator reads it: ``file /etc/x: content differs``."""
        return f"{self.item.kind} {self.item.key}: {self.reason}"


def query(items: Sequence[Item]) -> list[dict[str, Any]]:
    """The request that asks a host about all items at once."""
    return [{"kind": item.kind, "key": item.key, **item.query()} for item in items]


def payload(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """The request that makes all changes, in the order of the items."""
    return [{"kind": c.item.kind, "key": c.item.key, **c.item.payload()} for c in changes]


def differences(items: Sequence[Item], observed: Sequence[Observed]) -> list[Change]:
    """Compare items with what the host answered, position by position.

    A unit also counts as different when something it restarts or reloads on does: its stamp
    already says so, because the stamp is of the desired content. What has no content here, or is
    not known by one, says so by its own change.
    """
    changes: list[Change] = []
    for item, seen in zip(items, observed, strict=True):
        if reason := item.difference(seen) or _outdated(item, changes):
            changes.append(Change(item, reason, seen))
    return changes


def _outdated(item: Item, changes: Sequence[Change]) -> str | None:
    """A certificate that is made anew is of no desired content, so no stamp can tell."""
    made = [change.item for change in changes if isinstance(change.item, Certificate)]
    if isinstance(item, GatewayData) and any(c.item.key == item.keys_path for c in changes):
        return "has older keys loaded: load"
    if isinstance(item, Unit) and any(one in item.reload_on for one in made):
        return "has an older certificate loaded: reload"
    return None
