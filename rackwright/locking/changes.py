"""From one lock to another: each change, and what it means for the fleet."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from rackwright.locking.change import Change, Uses, counted, moved, size, some
from rackwright.locking.driver_changes import driver_changes
from rackwright.locking.lock import Lock, LockedModel, LockedSystem
from rackwright.locking.release_changes import release_changes

EFFECTS = {
    "nginx": "its package has Nginx go on as the new one: requests under way end with the old",
    "keepalived": "its package restarts keepalived: a shared address may move once",
    "libssl3": "what runs keeps the old library until it restarts",
    "libc6": "what runs keeps the old library until it restarts",
    "nftables": "its package does not load the rules anew",
}
"""What comes of another version of a package; of others nothing restarts."""


def changes(old: Lock, new: Lock, uses: Uses) -> list[Change]:
    """In the order in which an operator reads them: what restarts first, archives last."""
    return list(
        chain(
            driver_changes(old, new, uses),
            release_changes(old, new, uses),
            _models(old, new, uses),
            _hosts(old, new),
            _systems(old, new),
        )
    )


def _models(old: Lock, new: Lock, uses: Uses) -> Iterator[Change]:
    for key in sorted({*old.models, *new.models}):
        before, after = old.models.get(key), new.models.get(key)
        if after is None:
            yield Change(f"- model {key}", ("no replica serves it; its files stay on servers",))
        elif before is None:
            former = next((one for one in old.models if _is_older(old.models[one], after)), None)
            what = f"model {former} -> {after.revision}" if former else f"+ model {key}"
            restarts = uses.restarts.get(key, ()) if former else ()
            yield Change(what, (*_fetched(after), *restarts))
        elif before != after:
            yield Change(f"model {key}: {_files(before, after)}", uses.restarts.get(key, ()))


def _is_older(one: LockedModel, other: LockedModel) -> bool:
    return bool(one.repo) and one.repo == other.repo and one.revision != other.revision


def _fetched(model: LockedModel) -> Iterator[str]:
    if model.repo and model.size_bytes:
        yield f"{counted(model.files, 'file')}, {size(model.size_bytes)} to fetch"
    elif model.path:
        said = (
            f"{len(model.files)} files, {size(model.size_bytes)}"
            if model.files
            else "not there yet"
        )
        yield f"put on servers by you: {said}"


def _files(before: LockedModel, after: LockedModel) -> str:
    digests = [
        {name: file.sha256[:12] for name, file in one.files.items()} for one in (before, after)
    ]
    return some(moved(digests[0], digests[1])) or "where it comes from"


def _hosts(old: Lock, new: Lock) -> Iterator[Change]:
    for host in sorted({*old.hosts, *new.hosts}):
        before, after = old.hosts.get(host), new.hosts.get(host)
        if before is None:
            yield Change(f"+ host {host}: {after}")
        elif after is None:
            yield Change(f"- host {host}: {before}")
        elif before != after:
            means = "it was installed anew: it gets what is locked of that system"
            yield Change(f"host {host}: {before} -> {after}", (means,))


def _systems(old: Lock, new: Lock) -> Iterator[Change]:
    for key in sorted({*old.systems, *new.systems}):
        before, after = old.systems.get(key), new.systems.get(key)
        if before is None and after:
            python = f", Python {after.python} ({after.python_from})" if after.python else ""
            what = f"{counted(after.packages, 'package')} with all they need{python}"
            yield Change(f"+ system {key}", (what, *_snapshots(after)))
        elif after is None:
            yield Change(f"- system {key}", ("no host has it any more",))
        elif before and before != after:
            yield from _system(key, before, after)


def _system(key: str, before: LockedSystem, after: LockedSystem) -> Iterator[Change]:
    if before.python != after.python:
        means = "releases that are installed keep theirs; a server that is rebuilt gets the new one"
        yield Change(f"{key}: Python {before.python or '-'} -> {after.python or '-'}", (means,))
    versions = [
        {name: deb.version for name, deb in one.packages.items()} for one in (before, after)
    ]
    if words := moved(versions[0], versions[1]):
        touched = {
            name for name in EFFECTS if versions[0].get(name) not in (None, versions[1].get(name))
        }
        effects = [f"{name}: {EFFECTS[name]}" for name in sorted(touched)]
        what = f"{key}: {counted(words, 'package')}: {some(words)}"
        yield Change(what, (*(effects or ["no service restarts"]), *_snapshots(after)))


def _snapshots(system: LockedSystem) -> Iterator[str]:
    if system.archives:
        dates = (f"{name} {date}" for name, date in system.archives.items())
        yield f"as archives had them: {', '.join(dates)}"
