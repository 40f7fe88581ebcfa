"""Which files a model's weights are in: what its index names, else the one file there may be."""

from __future__ import annotations

import json
import re

NAME, SINGLE = "model.safetensors.index.json", "model.safetensors"
MOST_BYTES = 64 << 20
"""The index of a model of 90,000 tensors has 9 MB."""
MOST_FILES = 2000
_FILE = re.compile(r"[^/\0.\s][^/\0\n]{0,199}(/[^/\0.\n][^/\0\n]{0,199}){0,8}")
"""A file beside the index or below it."""


def files_of(text: bytes) -> list[str]:
    """The files that an index names. Raises ValueError."""
    try:
        entries = json.loads(text.decode())
        named = entries["weight_map"].values()
        names = sorted(set(named))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ValueError(f"has no weight_map that could be read in {NAME}") from None
    wrong = [name for name in names if not isinstance(name, str) or not _FILE.fullmatch(name)]
    if wrong:
        raise ValueError(f"names no file beside {NAME}: {wrong[0]!r:.200}")
    if not 1 <= len(names) <= MOST_FILES:
        raise ValueError(f"names {len(names)} files in {NAME}, 1 to {MOST_FILES} are read")
    return names
