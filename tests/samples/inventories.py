"""Inventory files of this project, as the package reads them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]


def inventory(name: str) -> dict[str, dict[str, Any]]:
    """Host data of an inventory file, merged as pyinfra does: group data last."""
    found = runpy.run_path(str(PROJECT / "inventories" / name))
    common: dict[str, Any] = {}
    for path in (PROJECT / "group_data/all.py", PROJECT / "group_data" / name):
        group = runpy.run_path(str(path)) if path.exists() else {}
        common |= {key: value for key, value in group.items() if not key.startswith("_")}
    members, shared = found["all"]
    named = ((name.removeprefix("@rackwright/"), data) for name, data in members)
    return {name: {**shared, **data, **common} for name, data in named}
