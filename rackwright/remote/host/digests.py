"""SHA-256 by the interpreter's own code: OpenSSL's takes longer to load than a host's files take.

Python 3.12 names it otherwise; one that was built without it has OpenSSL's.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = ("_sha2", "_sha256", "hashlib")


def _own() -> Any:
    for name in _NAMES[:-1]:
        try:
            return importlib.import_module(name).sha256
        except (ImportError, AttributeError):
            continue
    return importlib.import_module(_NAMES[-1]).sha256


_sha256 = _own()


def sha256_hex(content: bytes) -> str:
    """Digest in hex."""
    return str(_sha256(content).hexdigest())
