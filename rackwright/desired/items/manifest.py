"""What a host was given, written down on it: for whoever asks later what should be there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from rackwright.desired.items.item import Observed
from rackwright.remote.host.noted import digest_of

NAMED = 3
GIB = 1 << 30


@dataclass(frozen=True)
class Manifest:
    """The file ``key``, root's alone: ``planned``, and what the host notes beside it.

    It notes versions of ``packages``, what is in the folders of ``releases``, sizes and digests of
    ``weights`` (by path; with the digest of a file that is pinned). What the plan says nothing of
    is noted anew by each deploy that finds it changed.
    """

    key: str
    planned: Mapping[str, Any] = field(repr=False)
    packages: Sequence[str] = ()
    releases: Sequence[str] = ()
    weights: Mapping[str, str | None] = field(default_factory=dict)
    kind: ClassVar[str] = "manifest"

    def query(self) -> dict[str, Any]:
        """What the host is to look at."""
        return {
            "packages": list(self.packages),
            "releases": list(self.releases),
            "weights": dict(self.weights),
        }

    def payload(self) -> dict[str, Any]:
        """The same, and what was planned."""
        return {**self.query(), "planned": dict(self.planned)}

    def difference(self, seen: Observed) -> str | None:
        """Not there, of another plan, open to others, or older than what is on the host."""
        if not (why := self._why(seen)):
            return None
        gib = seen.get("unread_bytes", 0) / GIB
        return f"{why}, once {gib:.0f} GiB of weights are read" if gib >= 1 else why

    def _why(self, seen: Observed) -> str | None:
        if not seen.get("planned_sha256"):
            return "not there yet: write"
        if seen["planned_sha256"] != digest_of(self.planned):
            return "is of another plan: write"
        if not seen["private"]:
            return "is open to others: write"
        if changed := seen["changed"]:
            more = f" and {len(changed) - NAMED} more" if len(changed) > NAMED else ""
            return f"{', '.join(changed[:NAMED])}{more} changed since: note"
        return None
