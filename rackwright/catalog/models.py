"""Models that are known by name."""

from __future__ import annotations

from functools import cache
from typing import Any

from rackwright.catalog.data import model_files, read


@cache
def model_entries() -> dict[str, dict[str, Any]]:
    """Every model of the catalog by name, as the fields of a ``ModelSpec``.

    Some are known and yet cannot be judged: their architecture is none that sizing can read.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in model_files():
        found |= read(f"models/{path.name}")
    return found
