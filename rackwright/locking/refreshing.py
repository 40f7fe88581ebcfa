"""From pins to a whole lock: what is known is kept, what is not is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from rackwright.errors import HostError
from rackwright.locking.change import counted
from rackwright.locking.contents import Contents, folders_of, targets_of
from rackwright.locking.known import known_of
from rackwright.locking.lock import Lock
from rackwright.locking.offered import Offered, offered
from rackwright.locking.outside import Outside, Problems, Wanted
from rackwright.locking.pins import HostPins, Pins
from rackwright.locking.systems import drivers_of, systems_of


@dataclass(frozen=True)
class Refreshed:
    """A lock; ``kept`` are hosts that did not answer and are as they were locked, and why."""

    lock: Lock
    kept: dict[str, str] = field(default_factory=dict)


def refreshed(
    pins: Pins,
    old: Lock | None,
    outside: Outside,
    said: Callable[[str], None],
    rehash: bool = False,
) -> Refreshed:
    """The lock of these pins. ``old`` is that of before; ``said`` hears what is asked for.

    Files of folders that the operator filled are read where their size is another, and all of them
    with ``rehash``. Raises HostError with all that could not be had, at once.
    """
    old, problems = old or Lock(), Problems()
    said(f"asking {counted(pins.hosts, 'host')} for systems and packages")
    seen, kept = _seen(pins, old, Lock() if rehash else old, outside, problems)
    keys = {host: seen[host].key if host in seen else old.hosts[host] for host in (*seen, *kept)}
    hosts = dict(sorted(keys.items()))
    systems = systems_of(pins, hosts, seen, old, outside, problems)
    lock, contents = known_of(pins), Contents(pins, old, outside, problems, said)
    problems.end()  # without all systems nobody knows which files are wanted
    releases = {
        key: contents.release(key, one, targets_of(key, pins, hosts, systems))
        for key, one in lock.releases.items()
    }
    folders = folders_of(seen, problems)
    models = {key: contents.model(key, one, folders) for key, one in lock.models.items()}
    problems.end()
    changes = {
        "hosts": hosts,
        "systems": systems,
        "drivers": drivers_of(pins, hosts, seen, old),
        "releases": releases,
        "models": models,
    }
    return Refreshed(lock.model_copy(update=changes), kept)


def _wanted(host: HostPins, pins: Pins, known: Lock) -> Wanted:
    """The packages of a host, and the folders that the operator filled there."""
    folders = [key for key in host.models if pins.models[key].path and not pins.models[key].file]
    files = {key: known.models[key].files if key in known.models else {} for key in folders}
    return Wanted(
        host.packages,
        {
            key: {name: (file.sha256, file.size_bytes) for name, file in its.items()}
            for key, its in files.items()
        },
    )


def _seen(
    pins: Pins, old: Lock, known: Lock, outside: Outside, problems: Problems
) -> tuple[dict[str, Offered], dict[str, str]]:
    """What hosts offer, and why those do not that are in the lock already."""
    answers = outside.hosts({name: _wanted(host, pins, known) for name, host in pins.hosts.items()})
    seen, kept = {}, {}
    for host in pins.hosts:
        try:
            seen[host] = offered(host, answers.get(host, {"error": "gave no answer"}))
        except HostError as error:
            if _is_locked(host, old, pins):
                kept[host] = str(error)
            else:
                problems.add(f"{error}; and what it needs is not in the lock yet")
    return seen, kept


def _is_locked(host: str, lock: Lock, pins: Pins) -> bool:
    """Whether all apt packages of a host are."""
    system = lock.system_of(host)
    if system is None or not {*pins.hosts[host].packages} <= {*system.packages}:
        return False
    return lock.driver_of(host, pins.hosts[host].driver) is not None or not pins.hosts[host].driver
