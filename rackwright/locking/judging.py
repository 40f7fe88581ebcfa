"""Whether a fleet has all that it would install in its lock: judged before any host is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rackwright.errors import Fault, gathered
from rackwright.locking.lock import Lock, driver_key
from rackwright.locking.pins import HostPins, ModelPin, Pins

REMEDY = "`rackwright lock` locks it"


def lock_faults(name: str, lock: Lock, pins: Pins) -> list[Fault]:
    """What hosts are to get and the lock lacks; ``name`` is the lock file's."""
    found = (
        (host, fault)
        for host, its in pins.hosts.items()
        for fault in _of_host(host, its, lock, pins.models)
    )
    faults = [Fault(f"{name}: {one.path}", one.rule, one.value) for one in gathered(found)]
    if missing := [wanted for wanted in pins.pythons if wanted not in lock.engine_python]:
        faults.append(Fault(f"{name}: engine_python", f"is not what is locked; {REMEDY}", missing))
    return faults


def _models(pins: HostPins, lock: Lock, models: Mapping[str, ModelPin]) -> Iterator[Fault]:
    for key in pins.models:
        locked, sha256 = lock.models.get(key), models[key].sha256
        if locked is None:
            yield Fault("hosts.models", f"is not in the lock; {REMEDY}", key)
        elif sha256 and sha256 not in {file.sha256 for file in locked.files.values()}:
            yield Fault(
                f"hosts.models.{key}", f"is of another digest in the lock; {REMEDY}", sha256
            )


def _of_host(
    host: str, pins: HostPins, lock: Lock, models: Mapping[str, ModelPin]
) -> Iterator[Fault]:
    for key in pins.releases:
        if key not in lock.releases:
            yield Fault("hosts.releases", f"is not in the lock; {REMEDY}", key)
    yield from _models(pins, lock, models)
    system = lock.system_of(host)
    if system is None:
        yield Fault("hosts", f"has no system in the lock; {REMEDY}", host)
        return
    for package in pins.packages:
        if package not in system.wanted:
            yield Fault("hosts.packages", f"is not in the lock; {REMEDY}", package)
    if pins.driver and lock.driver_of(host, pins.driver) is None:
        key = driver_key(pins.driver, lock.hosts[host])
        yield Fault("hosts.driver", f"is not in the lock; {REMEDY}", key)
