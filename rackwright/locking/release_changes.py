"""What another release of an engine means: CUDA and the driver it needs, Python, what restarts."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.catalog.drivers import drivers, numbers
from rackwright.engines import ENGINES
from rackwright.locking.change import Change, Uses, counted, moved, size, some
from rackwright.locking.lock import File, Lock, LockedArchive, LockedVenv

Release = LockedVenv | LockedArchive
NOTABLE = (*ENGINES, "torch", "triton", "transformers", "flashinfer-python")
"""Packages of whose change an operator wants to know first."""


def release_changes(old: Lock, new: Lock, uses: Uses) -> Iterator[Change]:
    """A release that stands for another of the same name is one change."""
    gone = [key for key in old.releases if key not in new.releases]
    for key, release in new.releases.items():
        if key in old.releases:
            yield from _same(key, old.releases[key], release)
            continue
        name = key.partition("/")[0]
        former = next((one for one in gone if one.partition("/")[0] == name), None)
        if former:
            gone.remove(former)
        before = old.releases[former] if former else None
        yield Change(_what(name, before, release), tuple(_means(key, before, release, new, uses)))
    for key in gone:
        yield Change(f"- release {key}", ("no host installs it; its folder stays on servers",))


def _what(name: str, before: Release | None, after: Release) -> str:
    if before is None:
        return f"+ release {name} {after.version}"
    if before.version == after.version:
        return f"{name} {after.version}: the same version of other files"
    return f"{name} {before.version} -> {after.version}"


def _means(
    key: str, before: Release | None, after: Release, new: Lock, uses: Uses
) -> Iterator[str]:
    if before:
        yield from uses.restarts.get(key, ())
    yield from _cuda(before, after, new)
    versions = [each.packages if isinstance(each, LockedVenv) else {} for each in (before, after)]
    if before and (words := moved(versions[0], versions[1], NOTABLE)):
        yield f"{counted(words, 'package')}: {some(words)}"
    fetched = _new_files(before, after)
    if fetched:
        yield f"{size(sum(one.size_bytes or 0 for one in fetched.values()))} to fetch"
    if isinstance(after, LockedVenv) and after.targets:
        yield f"for Python {', '.join(after.targets)}"


def _cuda(before: Release | None, after: Release, new: Lock) -> Iterator[str]:
    """The oldest driver that it runs with, and whether that is locked."""
    floor = drivers().cuda.get(after.cuda) if after.cuda else None
    if floor is None:
        return
    was = before.cuda if before else None
    how = f"CUDA {was} -> {after.cuda}" if was and was != after.cuda else f"CUDA {after.cuda}"
    gpus = ".".join(map(str, floor.minimum_capability))
    needs = f"driver branch {floor.minimum_branch} or newer, compute capability {gpus} or newer"
    yield f"{how}: {needs}"
    for key, driver in new.drivers.items():
        if numbers(driver.version)[0] < floor.minimum_branch:
            yield f"driver {key} is older: a deploy refuses it"


def _new_files(before: Release | None, after: Release) -> dict[str, File]:
    known = {file.sha256 for file in _files(before).values()} if before else set()
    return {name: file for name, file in _files(after).items() if file.sha256 not in known}


def _files(release: Release) -> dict[str, File]:
    if isinstance(release, LockedVenv):
        return dict(release.wheels)
    return {str(name): each for name, each in release.downloads.items()}


def _same(key: str, before: Release, after: Release) -> Iterator[Change]:
    if before == after:
        return
    targets = [each.targets if isinstance(each, LockedVenv) else () for each in (before, after)]
    if targets[0] != targets[1]:
        before_after = [dict.fromkeys(each, "") for each in targets]
        words = some(moved(before_after[0], before_after[1]))
        means = "its files for other Pythons or systems; what is installed stays"
        yield Change(f"{key}: {words}", (means,))
    else:
        yield Change(f"{key}: where its files come from", ("what is installed stays",))
