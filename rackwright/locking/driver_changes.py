"""What another version of the NVIDIA driver means."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.catalog.drivers import Branch, drivers, numbers
from rackwright.locking.change import Change, Uses, counted, moved, some
from rackwright.locking.lock import Lock, LockedDriver

REFUSED = "refused while replicas use the old one (reboot = never)"


def driver_changes(old: Lock, new: Lock, uses: Uses) -> Iterator[Change]:
    """A driver that stands for another on the same system is one change."""
    for key, driver in new.drivers.items():
        system = _system(key)
        gone = [one for one in old.drivers if one not in new.drivers and _system(one) == system]
        before = old.drivers.get(key) or next((old.drivers[one] for one in gone), None)
        if before == driver:
            continue
        hosts = tuple(host for host, its in new.hosts.items() if its == system)
        yield Change(_what(system, before, driver), tuple(_means(before, driver, hosts, uses)))
    for key in old.drivers:
        if key not in new.drivers and not any(_system(one) == _system(key) for one in new.drivers):
            yield Change(f"- driver {key}", ("what is installed stays",))


def _system(key: str) -> str:
    return key.partition(" on ")[2]


def _what(system: str, before: LockedDriver | None, after: LockedDriver) -> str:
    if before is None:
        return f"+ driver {after.version} on {system}"
    if before.version != after.version:
        return f"driver {before.version} -> {after.version} on {system}"
    return f"driver {after.version} on {system}: other packages of the same version"


def _means(
    before: LockedDriver | None, after: LockedDriver, hosts: tuple[str, ...], uses: Uses
) -> Iterator[str]:
    if branch := drivers().branches.get(numbers(after.version)[0]):
        yield from _branch(numbers(before.version)[0] if before else None, branch)
    if before is None or before.version != after.version:
        kinds = {uses.reboot[host] for host in hosts if host in uses.reboot}
        can = "a reboot each" if kinds == {"if-needed"} else REFUSED
        yield f"replicas on its servers stop while it is replaced: {can}"
    if before is None:
        yield f"{counted(after.packages, 'package')} from {after.archive}"
    elif words := moved(_versions(before), _versions(after)):
        yield f"{counted(words, 'package')}: {some(words)}"


def _branch(was: int | None, branch: Branch) -> Iterator[str]:
    """How long it is supported, and which CUDA it brings."""
    majors = (
        major for major, cuda in drivers().cuda.items() if cuda.minimum_branch <= branch.number
    )
    step = f"{was} -> {branch.number}" if was not in (None, branch.number) else str(branch.number)
    until = branch.supported_until or "no date"
    yield f"branch {step}, supported until {until}: CUDA to major {max(majors, default=None)}"
    if not branch.proprietary:
        yield "open kernel modules alone"


def _versions(driver: LockedDriver) -> dict[str, str]:
    return {name: deb.version for name, deb in driver.packages.items()}
