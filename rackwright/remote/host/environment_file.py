"""A unit's environment file, as ``desired.render.environment_quote`` has it written."""

from __future__ import annotations

import re
from pathlib import Path


def assignments(path: str | None) -> list[tuple[str, str]]:
    """Names and values as they are written; none of a file that cannot be read."""
    try:
        lines = Path(path or "").read_text(errors="replace").splitlines()
    except OSError:
        return []
    pairs = (line.partition("=") for line in lines if "=" in line)
    return [(name, value) for name, _, value in pairs]


def unquoted(value: str) -> str:
    """What a program is given of a value that is written so."""
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if quoted else value
