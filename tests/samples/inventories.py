"""The project's inventories as pyinfra would hand them on, without pyinfra's command line."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from rackwright.inventory.reading import load_fleet
from rackwright.inventory.settings import with_defaults
from rackwright.runner.host_data import pyinfra_keys
from rackwright.spec import FleetSpec

PROJECT = Path(__file__).parents[2]


def inventory(name: str) -> dict[str, dict[str, Any]]:
    """Host data of an inventory of ``inventories/``: group data of its name over its own."""
    written = runpy.run_path(str(PROJECT / "inventories" / name))
    path = PROJECT / "group_data" / name
    group = runpy.run_path(str(path)) if path.exists() else {}
    own = {key: value for key, value in group.items() if not key.startswith("_")}
    members, shared = written["all"]
    named = ((name.removeprefix("@rackwright/"), data) for name, data in members)
    return {name: with_defaults({**shared, **data, **own}) for name, data in named}


def fleet_of(name: str) -> FleetSpec:
    """The fleet that an inventory of ``inventories/`` declares."""
    return load_fleet(inventory(name), pyinfra_keys())
