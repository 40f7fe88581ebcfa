"""A lock held to on hosts: exact versions, apt's pins, the Python of engines, files of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rackwright.desired.items import Absent, File, Item, Package, upstream_version
from rackwright.plan import Replica
from rackwright.spec import FleetSpec, Settings

if TYPE_CHECKING:
    from rackwright.driver.plan import DriverPlan
    from rackwright.locking.lock import Deb, Lock

PINS = "/etc/apt/preferences.d/rackwright-lock.pref"
"""apt's pins of all that is locked; ``remote/items/package_lock.py`` holds installations to it."""
SNAPSHOT = "/etc/apt/sources.list.d/rackwright-snapshot.sources"
_OF_DEBIAN = ("main contrib non-free non-free-firmware", "debian")
DISTRIBUTIONS = {
    "Debian": _OF_DEBIAN,
    "Debian-Security": _OF_DEBIAN,
    "Ubuntu": ("main restricted universe multiverse", "ubuntu"),
}
"""Components and keyring of archives of which there are snapshots, by their label."""
MARK = "# Written by Rackwright"
PRIORITY = 1000
"""Goes before whatever is newer in an archive, and takes nothing back that is newer on a host."""

LockedFiles = dict[str, tuple[str, int | None]]
"""By path in a model's folder: SHA-256 and size in bytes."""


def locked_packages(lock: Lock, host: str, driver: str | None) -> dict[str, Deb]:
    """All that apt may install on a host, by name; ``driver`` is the version of its driver."""
    system, of_driver = lock.system_of(host), lock.driver_of(host, driver)
    found = dict(system.packages) if system else {}
    return {**(of_driver.packages if of_driver else {}), **found}


def pins_item(lock: Lock | None, host: str, driver: str | None) -> Item:
    """apt's pins as a file; taken away where there is no lock."""
    if lock is None:
        return Absent(PINS, mark=MARK)
    head = f"{MARK}: what `rackwright lock` locked of {lock.hosts[host]}.\n\n"
    return File(PINS, (head + preferences(lock, host, driver)).encode())


def preferences(lock: Lock, host: str, driver: str | None) -> str:
    """The same as apt_preferences(5) has it, of all that apt may install on a host."""
    packages = locked_packages(lock, host, driver)
    return "\n".join(_pin(name, deb) for name, deb in sorted(packages.items()))


def snapshot_item(lock: Lock | None, host: str, url: str | None) -> Item:
    """A source of apt's: the archives as they were when a host's packages were locked.

    ``url`` has ``{archive}`` and ``{time}``. Taken away where there is no lock or no URL.
    """
    system = lock.system_of(host) if lock else None
    if lock is None or system is None or not url:
        return Absent(SNAPSHOT, mark=MARK)
    head = f"{MARK}: archives as they were when {lock.hosts[host]} was locked.\n\n"
    stanzas = [
        _source(url, label, suite, time)
        for name, time in system.archives.items()
        for label, _, suite in (name.rpartition(" "),)
        if label in DISTRIBUTIONS
    ]
    return File(SNAPSHOT, (head + "\n".join(stanzas)).encode())


def _source(url: str, label: str, suite: str, time: str) -> str:
    components, keyring = DISTRIBUTIONS[label]
    from debian.deb822 import Deb822  # slow to load: many a fleet is not locked

    fields = {
        "Types": "deb",
        "URIs": url.replace("{archive}", label.lower()).replace("{time}", time),
        "Suites": suite,
        "Components": components,
        "Check-Valid-Until": "no",
        "Signed-By": f"/usr/share/keyrings/{keyring}-archive-keyring.gpg",
    }
    return str(Deb822(fields))


def _pin(name: str, deb: Deb) -> str:
    from debian.deb822 import Deb822

    fields = {"Package": name, "Pin": f"version {deb.version}", "Pin-Priority": str(PRIORITY)}
    return str(Deb822(fields))


def dependencies(lock: Lock | None, host: str, driver: str | None) -> list[Item]:
    """What comes with the packages that are named, where an older one is there already.

    Not what is of the driver's own version: that is replaced together, in its own stage.
    """
    system = lock.system_of(host) if lock else None
    if lock is None or system is None:
        return []
    of_driver = lock.driver_of(host, driver)
    named = {*system.wanted, *(of_driver.wanted if of_driver else ())}
    return [
        Package(name, exact=deb.version, where_present=True)
        for name, deb in sorted(locked_packages(lock, host, driver).items())
        if name not in named and upstream_version(deb.version) != driver
    ]


def of_apt(lock: Lock | None, host: str, driver: str | None, url: str | None) -> list[Item]:
    """What apt on a host may install and has it from (see above), and what is older there."""
    files = pins_item(lock, host, driver), snapshot_item(lock, host, url)
    return [*files, *dependencies(lock, host, driver)]


def driver_version(name: str, spec: FleetSpec) -> str | None:
    """Of the driver that is installed on a host; None where that is not ours to do."""
    settings = spec.settings[name]
    is_ours = name in spec.servers and settings.driver_source != "none"
    return settings.driver_version if is_ours else None


def locked_items(
    items: Sequence[Item], lock: Lock | None, host: str, driver: str | None
) -> list[Item]:
    """The items, each package at the version that is locked.

    One that is not locked stays as it is: what follows a host's kernel. apt's pins and the host
    see to it that no other comes in.
    """
    if lock is None:
        return list(items)
    packages = locked_packages(lock, host, driver)
    return [_exact(item, packages) for item in items]


def _exact(item: Item, packages: dict[str, Deb]) -> Item:
    if isinstance(item, Package) and item.key in packages:
        return replace(item, exact=packages[item.key].version)
    return item


def locked_driver(plan: DriverPlan, lock: Lock | None, host: str) -> DriverPlan:
    """The driver's plan, likewise."""
    stages = tuple(
        replace(stage, items=tuple(locked_items(stage.items, lock, host, plan.version)))
        for stage in plan.stages
    )
    return replace(plan, stages=stages)


def locked_settings(settings: Settings, lock: Lock | None, host: str) -> Settings:
    """The settings, with the one Python that engines run on where that is locked."""
    system = lock.system_of(host) if lock else None
    if system is None or not system.python:
        return settings
    return settings.model_copy(update={"engine_python": f"=={system.python}"})


def locked_files(replica: Replica, lock: Lock | None) -> LockedFiles:
    """The files of the model that a replica serves; empty where they are not locked."""
    if lock is None or replica.gguf:
        return {}
    from rackwright.locking.pinned import model_keys

    (key,) = model_keys(replica)
    model = lock.models.get(key)
    if model is None:
        return {}
    return {name: (file.sha256, file.size_bytes) for name, file in model.files.items()}
