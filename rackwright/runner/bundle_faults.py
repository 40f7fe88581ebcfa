"""A bundle that hosts are to be served from is judged before any of them is connected to."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from rackwright.bundling.lacking import lacking
from rackwright.bundling.manifest import NAME, Manifest, read_manifest
from rackwright.errors import Fault, InputError
from rackwright.locking import Lock, pins_of
from rackwright.plan import FleetPlan
from rackwright.spec import FleetSpec

TAKING = frozenset({"base", "driver", "engines", "models", "gateway"})
"""Stages that take something from it."""


def bundle_faults(spec: FleetSpec, plan: FleetPlan, lock: Lock | None = None) -> Iterator[Fault]:
    """What is missing in the bundles that settings name, for the stages that are wanted."""
    folders: dict[str, list[str]] = {}
    for name, settings in spec.settings.items():
        if settings.bundle and settings.stage_names & TAKING:
            folders.setdefault(settings.bundle, []).append(name)
    for folder, hosts in folders.items():
        try:
            manifest = manifest_of(folder)
        except InputError as error:
            yield Fault("settings.bundle", f"must be a bundle: {error}", folder)
            continue
        yield from lacking(Path(folder), manifest, pins_of(spec, plan), tuple(hosts), lock)


def manifest_of(folder: str) -> Manifest:
    """The manifest of a bundle, read once. Raises InputError, SpecError."""
    path = Path(folder, NAME)
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        changed = 0
    return _manifest(folder, changed)


@lru_cache(maxsize=4)
def _manifest(folder: str, changed: int) -> Manifest:
    return read_manifest(Path(folder))
