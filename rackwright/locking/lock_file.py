"""The lock file of an inventory: beside it, JSON that reads well as a difference in git."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from rackwright.errors import Fault, InputError, SpecError
from rackwright.locking.lock import Lock, LockedArchive, LockedVenv
from rackwright.schema.files import must_be_writable, text_of
from rackwright.schema.validation import parse

HEADING = "in the lock file; no host was touched"


def read_lock(path: Path) -> Lock | None:
    """The lock in a file; None where there is none.

    Raises SpecError with every fault of it, InputError where it cannot be read at all.
    """
    if not path.exists():
        return None
    try:
        data = json.loads(text_of(path))
    except (OSError, ValueError, RecursionError) as error:
        words = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {words}") from None
    faults: list[Fault] = []
    lock = _lock(data, path.name, faults)
    if faults or lock is None:
        raise SpecError(faults, heading=HEADING)
    return lock


def _lock(data: Any, name: str, faults: list[Fault]) -> Lock | None:
    """Releases by their kind, so that each fault is that of one kind; the rest as a whole."""
    given = data.get("releases") if isinstance(data, dict) else None
    releases = given if isinstance(given, dict) else {}
    read = {
        key: _release(each, f"{name}.releases[{key}]", faults) for key, each in releases.items()
    }
    lock = parse(Lock, {**data, "releases": {}} if releases else data, name, faults)
    return lock.model_copy(update={"releases": read}) if lock and releases else lock


def _release(data: Any, path: str, faults: list[Fault]) -> LockedVenv | LockedArchive | None:
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind == "venv":
        return parse(LockedVenv, data, path, faults)
    if kind == "archive":
        return parse(LockedArchive, data, path, faults)
    faults.append(Fault(f"{path}.kind", "must be one of venv, archive", kind))
    return None


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock, whole or not at all. Raises InputError where the system refuses it."""
    must_be_writable(path)
    text = text_of_lock(lock)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written: {error.strerror}") from None


def text_of_lock(lock: Lock) -> str:
    """Sorted by key, a file or package to a line."""
    data = lock.model_dump(mode="json", exclude_none=True)
    return f"{_written(data, 0)}\n"


def _written(value: Any, depth: int) -> str:
    if not isinstance(value, dict) or not value or _is_leaf(value, depth):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    inner = " " * (depth + 1)
    lines = (
        f"{inner}{json.dumps(key)}: {_written(value[key], depth + 1)}" for key in sorted(value)
    )
    return "{\n" + ",\n".join(lines) + "\n" + " " * depth + "}"


def _is_leaf(value: dict[str, Any], depth: int) -> bool:
    """Whether it stands in one line: what is neither the whole nor holds more."""
    return (
        bool(depth) and "sha256" in value and not any(isinstance(v, dict) for v in value.values())
    )
