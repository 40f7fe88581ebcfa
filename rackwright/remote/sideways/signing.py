"""Who may ask a peer: a run's token signs each request, and travels in none of them."""

from __future__ import annotations

import hashlib
import hmac

SCHEME = "RACKWRIGHT "


def signature(token: str, path: str) -> str:
    """The value of the header Authorization, for one path."""
    return SCHEME + hmac.new(token.encode(), f"GET {path}".encode(), hashlib.sha256).hexdigest()


def is_signed(token: str, path: str, given: str) -> bool:
    """Whether who asks for this path has the token."""
    return hmac.compare_digest(signature(token, path).encode(), given.encode())
