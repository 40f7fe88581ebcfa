"""The systems and drivers of a lock: of hosts that answered as they are, of others as they were."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TypeVar

from rackwright.locking.lock import Lock, LockedDriver, LockedSystem, driver_key
from rackwright.locking.offered import Offered, merged_driver, merged_system
from rackwright.locking.outside import Outside, Problems
from rackwright.locking.pins import Pins
from rackwright.locking.pythons import with_python

Part = TypeVar("Part", LockedSystem, LockedDriver)


def systems_of(
    pins: Pins,
    hosts: Mapping[str, str],
    seen: Mapping[str, Offered],
    old: Lock,
    outside: Outside,
    problems: Problems,
) -> dict[str, LockedSystem]:
    """By key; ``hosts`` has that of each host, ``seen`` what those said that answered."""
    found: dict[str, LockedSystem] = {}
    for one in seen.values():
        before = found.get(one.key)
        found[one.key] = merged_system(before, one.system) if before else one.system
    for key, system in found.items():
        of_key = [host for host, its in hosts.items() if its == key]
        wanted = {pins.hosts[host].python for host in of_key} - {""}
        if len(wanted) > 1:
            problems.add(f"hosts of {key} differ in engine_python: {', '.join(sorted(wanted))}")
        elif wanted:
            ask = partial(with_python, system, wanted.pop(), key.split()[-1], outside)
            found[key] = problems.heard(ask, system)
        else:
            found[key] = system.model_copy(update={"python": ""})
    for key in {key for host, key in hosts.items() if host not in seen}:
        before = old.systems[key]
        found[key] = _with_those_of(before, found[key]) if key in found else before
    return {key: _of_then(found[key], old.systems.get(key)) for key in sorted(found)}


def _with_those_of(before: LockedSystem, now: LockedSystem) -> LockedSystem:
    """A system with what a host needs that did not answer, as it was locked."""
    wanted = tuple(sorted({*before.wanted, *now.wanted}))
    packages = dict(sorted({**before.packages, **now.packages}.items()))
    return now.model_copy(update={"wanted": wanted, "packages": packages})


def _of_then(now: Part, before: Part | None) -> Part:
    """With the archives' dates of when these packages were locked, where they are the same."""
    if before is None or now.packages != before.packages:
        return now
    return now.model_copy(update={"archives": before.archives})


def drivers_of(
    pins: Pins, hosts: Mapping[str, str], seen: Mapping[str, Offered], old: Lock
) -> dict[str, LockedDriver]:
    """By version and system."""
    found: dict[str, LockedDriver] = {}
    for host, system in hosts.items():
        key = driver_key(pins.hosts[host].driver or "", system)
        now = seen[host].driver if host in seen else old.drivers.get(key)
        if pins.hosts[host].driver and now:
            found[key] = merged_driver(found[key], now) if key in found else now
    return {key: _of_then(found[key], old.drivers.get(key)) for key in sorted(found)}
