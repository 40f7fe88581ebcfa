"""The file of clients beside an inventory: read strictly, written whole, by one run at a time.

YAML, because people read, review and mend it: limits may be changed by hand. It holds digests of
random keys, so it may be committed; its mode is the owner's alone all the same.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict

from rackwright.clients.client import Client, Clients
from rackwright.errors import Fault, InputError, SpecError
from rackwright.schema.fields import Entry
from rackwright.schema.files import text_of
from rackwright.schema.validation import parse

_COMMENT = """\
# Who may come in by the gateways of {name}: written by `rackwright keys`. No key is in here,
# only the SHA-256 digests of random ones, so it may be committed. Limits may be changed by hand:
# `rackwright keys ... apply` puts them to work, and so does a deploy. The next `rackwright keys`
# writes all of it anew, with this comment alone.
"""


class _Document(Entry):
    """The whole file. Clients are read one by one."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    format: Literal[1]
    clients: dict[Any, Any] | None = None


def keys_path(inventory: Path) -> Path:
    """The file of an inventory's clients: ``inventories/prod.keys.yaml`` of ``prod.py``."""
    return inventory.with_suffix(".keys.yaml")


def read_clients(path: Path) -> Clients:
    """All clients, none where there is no file. Raises SpecError with every fault of it."""
    try:
        text = text_of(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    from rackwright.clients.strict_yaml import strictly_read  # most inventories have no such file

    faults: list[Fault] = []
    clients = _clients(strictly_read(text, faults), faults)
    faults.extend(_twice(clients))
    if faults:
        raise SpecError(faults, f"in {path}; no gateway was touched")
    return clients


def _clients(data: object, faults: list[Fault]) -> Clients:
    """Those that can be read, also where something else of the file cannot be."""
    if not faults or data is not None:
        parse(_Document, data, "keys", faults)
    entries = data.get("clients") if isinstance(data, dict) else None
    clients = {}
    for name, entry in (entries if isinstance(entries, dict) else {}).items():
        path = f"clients[{name}]"
        if not isinstance(name, str):
            faults.append(Fault(path, "must be a text, put the name into quotes"))
            continue
        if isinstance(entry, dict) and "name" in entry:
            faults.append(Fault(f"{path}.name", "is the entry's own key, leave it out"))
        if client := parse(Client, _named(name, entry), path, faults):
            clients[name] = client
    return clients


def _named(name: str, entry: object) -> object:
    return {**entry, "name": name} if isinstance(entry, dict) else entry


def _twice(clients: Clients) -> Iterator[Fault]:
    """A key is one client's; listed twice, it could have two ends."""
    seen: dict[str, str] = {}
    for name, client in clients.items():
        for index, key in enumerate(client.keys):
            if key.sha256 in seen:
                path = f"clients[{name}].keys[{index}].sha256"
                yield Fault(path, f"is a key of {seen[key.sha256]} already", key.sha256)
            seen.setdefault(key.sha256, name)


def file_text(clients: Clients, inventory: Path) -> str:
    """The file's text: clients by name, keys by age, and of limits those that there are."""
    entries = {}
    for name, client in sorted(clients.items()):
        entry = client.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"name"})
        entries[name] = {**entry, "keys": sorted(entry["keys"], key=lambda key: str(key["made"]))}
    document = {"format": 1, "clients": entries}
    import yaml

    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    return f"{_COMMENT.format(name=inventory.name)}{text}"


@contextmanager
def written(path: Path, text: str) -> Iterator[None]:
    """Put the text in its place whole, mode 0600, once the block has ended well; else not at all.

    It lies beside it meanwhile: what may fail for want of room or rights has been done. Raises
    InputError where the system refuses it.
    """
    target = path.resolve()
    with _refusals(path):
        fresh = _written_beside(target, text)
    try:
        yield
        with _refusals(path):
            fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None


def _written_beside(target: Path, text: str) -> Path:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
    except OSError:
        Path(name).unlink()
        raise
    return Path(name)


@contextmanager
def alone(path: Path, waits: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the file's folder, so that what was read is what is written over, and put on gateways.

    ``waits`` is called where another run holds it. Raises InputError where it cannot be held.
    """
    with _refusals(path):
        handle = os.open(path.resolve().parent, os.O_RDONLY)
    try:
        _hold(handle, path, waits)
        yield
    finally:
        os.close(handle)


def _hold(handle: int, path: Path, waits: Callable[[], None]) -> None:
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waits()
            fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        raise InputError(f"the folder of {path} cannot be locked: {error.strerror}") from None
