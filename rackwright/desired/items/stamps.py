"""What a unit or a boot image was made with, in one digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from rackwright.desired.items.certificates import Certificate
from rackwright.desired.items.files import File, Symlink
from rackwright.desired.items.nginx_limits import NginxLimits

Stamped = File | Symlink | Certificate | NginxLimits
"""What a unit may be started with, or load."""


def digest_of(items: Sequence[Stamped]) -> str:
    """Digest of what each is to hold, in hex; empty where there are none."""
    if not items:
        return ""
    lines = [f"{item.key} {_fingerprint(item)}" for item in items]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _fingerprint(item: Stamped) -> str:
    if isinstance(item, File):
        return item.sha256
    if isinstance(item, NginxLimits):
        return str(item.wanted)
    return item.target if isinstance(item, Symlink) else ",".join(item.names)
