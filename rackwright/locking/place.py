"""Where the lock of an inventory is; many have none, and load nothing of what reads one."""

from __future__ import annotations

from pathlib import Path

SUFFIX = ".lock.json"


def lock_path(inventory: Path) -> Path:
    """Where the lock of an inventory is: ``prod.py`` has ``prod.lock.json`` beside it."""
    return inventory.with_name(f"{inventory.stem}{SUFFIX}")
