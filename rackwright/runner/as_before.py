"""What a run may begin with before its inventory is judged: it was right when it last was.

Of an inventory that was right a digest is kept, and what its hosts were asked first: where all that
is said of them is the same to the last value, the next run asks the same meanwhile. An answer is
taken for that very question alone, so a question that is another by now only costs one command.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.own_cache import cache_folder

MOST_KEPT = 64
SECRETS = frozenset(
    {
        "ssh_password",
        "ssh_key_password",
        "ssh_paramiko_connect_kwargs",
        "_sudo_password",
        "_su_password",
    }
)
"""Host data that nothing is kept of, not even a digest."""
_places: WeakKeyDictionary[Inventory, Path | None] = WeakKeyDictionary()


def was_right(inventory: Inventory) -> bool:
    """Whether an earlier run of this user found the same hosts, with the same data, to be right."""
    place = _places[inventory] = _place(inventory)
    with suppress(OSError):
        if place is not None and place.is_dir():
            os.utime(place)
            return True
    return False


def note_right(inventory: Inventory) -> None:
    """Keep that it is; where nothing can be kept the next run judges first, too."""
    place = _places[inventory] = _place(inventory)
    if place is None:
        return
    with suppress(OSError):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.parent.chmod(0o700)
        by_age = sorted((path.stat().st_mtime, path) for path in place.parent.iterdir())
        for _, path in by_age[:-MOST_KEPT]:
            with suppress(OSError):
                _forget(path)


def _forget(place: Path) -> None:
    for path in place.iterdir():
        path.unlink()
    place.rmdir()


def asked_before(host: Host) -> str | None:
    """What a host of an inventory that was right was asked first, as JSON; None of any other."""
    place = _places.get(host.inventory)
    if place is None:
        return None
    try:
        return _file(place, host).read_text()
    except (OSError, ValueError):
        return None


def note_asked(host: Host, asked: str) -> None:
    """Keep what a host was asked first; it must say no secret. Of what was not right nothing is."""
    place = _places.get(host.inventory)
    if place is None:
        return
    path = _file(place, host)
    fresh = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        if not place.is_dir() or asked_before(host) == asked:
            return
        fresh.touch(mode=0o600)
        fresh.write_text(asked)
        fresh.replace(path)


def _file(place: Path, host: Host) -> Path:
    return place / f"{sha256(host.name.encode()).hexdigest()[:32]}.json"


def _place(inventory: Inventory) -> Path | None:
    """By all that is said of the hosts; None where it cannot be told from other such data."""
    said = [
        [(host.name, host.connector_cls.__name__, host.groups) for host in inventory],
        {name: _told(data) for name, data in inventory.host_data.items()},
        {name: _told(data) for name, data in inventory.group_data.items()},
        _told(inventory.data),
        _told(inventory.override_data),
    ]
    try:
        digest = sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    except (TypeError, ValueError, RecursionError):
        return None
    return cache_folder("judged") / digest


def _told(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in SECRETS}
