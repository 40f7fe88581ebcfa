"""What of a fleet a bundle has not: said all at once, before any host is touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rackwright.bundling.manifest import NAME, BundledHost, Manifest
from rackwright.bundling.system import folder_of
from rackwright.errors import Fault, gathered
from rackwright.locking import Lock, Pins
from rackwright.locking.applied import locked_packages
from rackwright.locking.pins import HostPins

MOST_NAMED = 5
AGAIN = "make it again with `rackwright bundle`"


def lacking(
    folder: Path, manifest: Manifest, pins: Pins, hosts: tuple[str, ...], lock: Lock | None = None
) -> Iterator[Fault]:
    """Faults of these hosts, whose bundle lies in ``folder``; files are looked at by size alone.

    ``lock`` has the packages that are to be there exactly.
    """
    absent = absent_files(folder, manifest)
    found = [
        (name, Fault("settings.bundle", f"lacks {rule}: {AGAIN}", str(folder)))
        for name in hosts
        for rule in (*_of_host(name, manifest, pins, absent), *_locked(name, manifest, pins, lock))
    ]
    yield from gathered(found)


def absent_files(folder: Path, manifest: Manifest) -> frozenset[str]:
    """Files of the manifest that are not there, or have another size."""
    return frozenset(
        path
        for path, file in manifest.files.items()
        if not (folder / path).is_file() or (folder / path).stat().st_size != file.size_bytes
    )


def _of_host(name: str, manifest: Manifest, pins: Pins, absent: frozenset[str]) -> Iterator[str]:
    bundled, wanted = manifest.hosts.get(name), pins.hosts[name]
    if bundled is None:
        known = ", ".join(sorted(manifest.hosts))
        yield f"host {name}, it was made for {known or 'none'}"
        return
    yield from _packages(bundled, wanted, manifest)
    needed: list[str] = [p for p in manifest.files if p.startswith(f"{folder_of(bundled.system)}/")]
    for key in wanted.releases:
        kinds = manifest.releases.get(key, {})
        paths = kinds.get(bundled.environment) or kinds.get(_architecture(bundled))
        if paths is None:
            yield f"release {key}{_instead(key, manifest)}"
        needed += paths or ()
    for key in wanted.models:
        pin = pins.models[key]
        if pin.pull:
            yield f"{key}: what Ollama pulls is in no bundle"
        elif not pin.path and key not in manifest.models:
            yield f"model {key}"
        needed += manifest.models.get(key, {}).values()
    unlisted = [path for path in needed if path not in manifest.files]
    for path in sorted({*absent.intersection(needed), *unlisted}):
        yield f"the file {path}, or has it with another size than {NAME} says"


def _packages(bundled: BundledHost, wanted: HostPins, manifest: Manifest) -> Iterator[str]:
    there = manifest.debs.get(bundled.system, ())
    if names := [name for name in wanted.packages if name not in there]:
        yield f"packages of {bundled.system}: {', '.join(names)}"
    if wanted.driver and wanted.driver != bundled.driver:
        instead = f" (but {bundled.driver})" if bundled.driver else ""
        yield f"driver {wanted.driver}{instead}"


def _locked(name: str, manifest: Manifest, pins: Pins, lock: Lock | None) -> Iterator[str]:
    """Packages that are locked at another version than the bundle has."""
    bundled = manifest.hosts.get(name)
    if lock is None or bundled is None:
        return
    below = f"{folder_of(bundled.system)}/"
    there = {file.sha256 for path, file in manifest.files.items() if path.startswith(below)}
    debs = locked_packages(lock, name, pins.hosts[name].driver)
    if wrong := [f"{one} {deb.version}" for one, deb in debs.items() if deb.sha256 not in there]:
        more = f" and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
        yield f"packages that are locked: {', '.join(sorted(wrong)[:MOST_NAMED])}{more}"


def _architecture(bundled: BundledHost) -> str:
    """Of the archives that fit it, in Debian's words as the system has them."""
    return bundled.system.rpartition(" ")[2]


def _instead(key: str, manifest: Manifest) -> str:
    """Other releases of the same engine that are there."""
    kind = key.partition("/")[0]
    others = sorted(one for one in manifest.releases if one.partition("/")[0] == kind)
    return f" (but {', '.join(others)})" if others and key not in others else ""
