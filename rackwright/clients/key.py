"""A client's key: made here, told once, known afterwards by its digest alone."""

from __future__ import annotations

import hashlib
import secrets

PREFIX = "rw-"
"""Whoever finds a key in a log or a repository can tell whose kind it is; so can scanners."""
RANDOM_BYTES = 32
"""So many that nobody can try them all: a plain SHA-256 hides a key as well as a slow hash."""


def new_key() -> str:
    """A new key: the prefix, and 43 letters, digits, ``-`` and ``_``."""
    return f"{PREFIX}{secrets.token_urlsafe(RANDOM_BYTES)}"


def digest(key: str) -> str:
    """What files have instead of a key: SHA-256 of all of it, in hex."""
    return hashlib.sha256(key.encode()).hexdigest()
