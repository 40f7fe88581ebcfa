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
    except (ValueError, RecursionError):
        raise ValueError(f"has no JSON in {NAME}: is it a whole file?") from None
    named = entries.get("weight_map") if isinstance(entries, dict) else None
    if not isinstance(named, dict):
        raise ValueError(f"has no dict as weight_map in {NAME}, but {named!r:.100}")
    for tensor, name in named.items():
        if not isinstance(name, str) or not _FILE.fullmatch(name):
            raise ValueError(f"names no file beside {NAME} for {tensor[:200]}: {name!r:.200}")
    names = sorted(set(named.values()))
    if not 1 <= len(names) <= MOST_FILES:
        raise ValueError(f"names {len(names)} files in {NAME}, 1 to {MOST_FILES} are read")
    return names
