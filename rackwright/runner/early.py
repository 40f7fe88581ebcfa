"""Connections that begin while their inventory is judged anew: it was right when it last was.

To judge and plan takes this process longer than hosts take to let it in and to start a Python, and
they need it little meanwhile. So a run whose inventory is, to the last value, one that an earlier
run found right has its hosts connected to at once, and each load what it is about to be asked with;
what it is asked it learns once the inventory is judged. Any other inventory is judged first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from itertools import islice
from typing import Any

from gevent import idle
from gevent.event import Event
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State

from rackwright.own_cache import cache_folder
from rackwright.parts import between_parts, pause
from rackwright.runner.access.connector import SshAccess
from rackwright.runner.looking import begin_looking
from rackwright.runner.remote_call import give_up

MOST_KEPT = 64
SECRETS = frozenset({"ssh_password", "ssh_key_password", "_sudo_password", "_su_password"})
"""Host data that nothing is kept of, not even a digest."""


def was_right(inventory: Inventory) -> bool:
    """Whether an earlier run of this user found the same hosts, with the same data, to be right."""
    digest = _digest(inventory)
    return digest is not None and (cache_folder("right") / digest).exists()


def note_right(inventory: Inventory) -> None:
    """Keep that it is; where nothing can be kept the next run judges first, too."""
    if (digest := _digest(inventory)) is None:
        return
    folder = cache_folder("right")
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / digest).touch(mode=0o600)
        by_age = sorted((path.stat().st_mtime, path) for path in folder.iterdir())
        for _, path in by_age[:-MOST_KEPT]:
            path.unlink()


def _digest(inventory: Inventory) -> str | None:
    """Of all that is said of the hosts; None where it cannot be told from other such data."""
    said = [
        [(host.name, host.connector_cls.__name__, host.groups) for host in inventory],
        {name: _told(data) for name, data in inventory.host_data.items()},
        {name: _told(data) for name, data in inventory.group_data.items()},
        _told(inventory.data),
        _told(inventory.override_data),
    ]
    try:
        return sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    except (TypeError, ValueError, RecursionError):
        return None


def _told(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in SECRETS}


def begin(state: State) -> Event:
    """Connect to the hosts of a run in the background; nobody is asked before that event."""
    judged = Event()
    between_parts(idle)
    for host in islice(filter(state.is_host_in_limit, state.inventory), state.config.PARALLEL):
        if isinstance(host.connector, SshAccess):
            begin_looking(host, host.connector.begin(judged))
    return judged


def load() -> None:
    """Import in parts what judging the inventory and asking hosts will need."""
    pause()
    import pydantic  # noqa: F401

    pause()
    from rackwright.models import shape  # noqa: F401

    pause()
    from rackwright import models  # noqa: F401

    pause()
    from rackwright import spec  # noqa: F401

    pause()
    from rackwright.engines import options  # noqa: F401

    pause()
    from rackwright import engines  # noqa: F401

    pause()
    from rackwright.inventory import reading  # noqa: F401

    pause()
    from rackwright.planning import placing  # noqa: F401

    pause()
    from rackwright.runner import fleet  # noqa: F401

    pause()
    from rackwright.desired import items  # noqa: F401

    pause()
    from rackwright.runner import firewall  # noqa: F401

    pause()
    from rackwright.runner import first_looks  # noqa: F401

    pause()


def go_on(judged: Event) -> None:
    """The inventory is right: who has to be asked for a password may be."""
    between_parts(None)
    judged.set()


def stop(state: State) -> None:
    """It is wrong after all: hang up."""
    between_parts(None)
    for host in state.inventory:
        if isinstance(host.connector, SshAccess):
            give_up(host)
            host.connector.give_up()
