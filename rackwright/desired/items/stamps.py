"""What a unit or a boot image was made with, in one digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from rackwright.desired.items.certificates import Certificate
from rackwright.desired.items.files import File, Symlink


def digest_of(items: Sequence[File | Symlink | Certificate]) -> str:
    """Digest of what each is to hold, in hex; empty where there are none."""
    if not items:
        return ""
    lines = [f"{item.key} {_fingerprint(item)}" for item in items]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _fingerprint(item: File | Symlink | Certificate) -> str:
    if isinstance(item, File):
        return item.sha256
    return item.target if isinstance(item, Symlink) else item.server_name
