"""Locks for tests: of the sample fleet, as records of the outside have it."""

from __future__ import annotations

from typing import Any

from rackwright.inventory.reading import load_fleet
from rackwright.locking import Deb, Lock, LockedSystem, Pins, pins_of
from rackwright.locking.change import Uses
from rackwright.locking.outside import Outside
from rackwright.locking.refreshing import Refreshed, refreshed
from rackwright.planning.placing import plan
from tests.samples import fleet as sample
from tests.samples.outside import Recorded, deb, hub_pages

DRIVER = str(sample.DEFAULTS["driver_version"])


def outside(**more: Any) -> Recorded:
    """What the sample fleet finds: Debian 12, its driver, one repository."""
    return Recorded(**{"drivers": {"gpu1": DRIVER}, "pages": hub_pages(), **more})


def pins(**more: Any) -> Pins:
    """What the sample fleet pins."""
    spec = load_fleet(sample.hosts(**more))
    return pins_of(spec, plan(spec))


def uses(**more: Any) -> Uses:
    """Who has what in the sample fleet."""
    spec = load_fleet(sample.hosts(**more))
    planned = plan(spec)
    return Uses.of(spec, planned, pins_of(spec, planned))


def fresh(of: Pins, asked: Outside | None = None, old: Lock | None = None) -> Refreshed:
    """A lock of these pins; nobody hears what is asked."""
    return refreshed(of, old, asked or outside(), lambda _: None)


def lock(versions: dict[str, str] | None = None) -> Lock:
    """One host with two packages, or those of ``versions``."""
    names = versions or {"nginx": "1.0-1", "libdep1": "1.0-1"}
    packages = {name: Deb(**deb(version)) for name, version in names.items()}
    system = LockedSystem(codename="bookworm", wanted=("nginx",), packages=packages)
    return Lock(hosts={"gw1": "debian 12 amd64"}, systems={"debian 12 amd64": system})
