"""The lock of the fleet that a run is about: the file beside its inventory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra.api.inventory import Inventory

from rackwright.errors import InputError, SpecError
from rackwright.locking.place import lock_path
from rackwright.plan import FleetPlan
from rackwright.runner.inventory_file import path_of
from rackwright.spec import FleetSpec

if TYPE_CHECKING:
    from rackwright.locking.lock import Lock


def lock_file_of(inventory: Inventory) -> Path | None:
    """Where the lock of an inventory is, or would be; None of one that was made of no file."""
    path = path_of(inventory)
    return lock_path(path) if path else None


def lock_of(inventory: Inventory, spec: FleetSpec, plan: FleetPlan) -> Lock | None:
    """The lock that a deploy has to keep to; None where there is none.

    Raises SpecError with all that hosts are to get and it lacks, InputError where it cannot be
    read.
    """
    path = lock_file_of(inventory)
    if path is None or not path.exists():
        return None
    from rackwright.locking.judging import lock_faults  # many a fleet is not locked
    from rackwright.locking.lock_file import HEADING, read_lock
    from rackwright.locking.pinned import pins_of

    lock = read_lock(path)
    if lock is None:
        return None
    try:
        pins = pins_of(spec, plan)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from None
    if faults := lock_faults(path.name, lock, pins):
        raise SpecError(faults, heading=HEADING)
    return lock
