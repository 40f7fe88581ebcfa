"""The engines' key by a name that does not tell it: which of two a replica has."""

from __future__ import annotations

import hashlib

DIGITS = 12


def key_id(key: str) -> str:
    """Twelve hexadecimal digits of a digest; empty for no key.

    Who reads it has 48 bits that nobody can compute a key from: a guess of a short one could be
    tried on them. So it stands in the gateway's data alone, which only root and Nginx's workers
    read, and those have the key itself.
    """
    return hashlib.sha256(f"engine key {key}".encode()).hexdigest()[:DIGITS] if key else ""
