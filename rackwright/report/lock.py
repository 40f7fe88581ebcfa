"""A lock's changes as text for a terminal, and as a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rackwright.locking.change import Change


def changes_text(changes: Sequence[Change]) -> str:
    """A change a block: what, and below it what it means."""
    blocks = ("\n".join([one.what, *(f"    {words}" for words in one.means)]) for one in changes)
    return "\n".join(blocks)


def changes_document(changes: Sequence[Change], missing: Sequence[str]) -> dict[str, Any]:
    """The same for JSON; ``missing`` is what a deploy would refuse until it is locked."""
    return {
        "changes": [{"what": one.what, "means": list(one.means)} for one in changes],
        "not_in_the_lock": list(missing),
    }
