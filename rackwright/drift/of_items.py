"""Items of the plan beside what a host answered for each: named drifts instead of a change."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from debian.debian_support import Version

from rackwright.desired.items import (
    Absent,
    Certificate,
    Change,
    Directory,
    File,
    GatewayData,
    Initramfs,
    Item,
    Manifest,
    NginxLimits,
    NoOtherUnits,
    Package,
    StepUnderWay,
    Symlink,
    Unit,
    User,
    differences,
    upstream_version,
)
from rackwright.drift import kinds
from rackwright.drift.kinds import Drift, Kind

MOST_LINES = 40
SHOWN = 12
"""Characters of a digest."""

Seen = Mapping[str, Any]
Found = tuple[Kind, str | None, str | None]
"""A kind, what is there, and what should be."""


def item_drifts(host: str, items: Sequence[Item], observed: Sequence[Seen]) -> Iterator[Drift]:
    """Every difference of ``items``, which ``observed`` answers position by position."""
    for change in differences(items, observed):
        diff = _diff(change)
        for kind, there, planned in _found(change):
            lines = diff if kind is kinds.EDITED else ()
            yield Drift(host, kind, change.item.key, there, planned, lines)


def _found(change: Change) -> Iterator[Found]:
    item, seen = change.item, change.seen
    for of, name in _BY_TYPE.items():
        if isinstance(item, of):
            yield from name(item, seen, change.reason)
            return


def _plain(kind: Kind, item: Item, seen: Seen, reason: str) -> Iterator[Found]:
    """Of what is told in words, by the item itself."""
    yield (kind if seen else kinds.MISSING), reason, None


def _file(item: File, seen: Seen, reason: str) -> Iterator[Found]:
    if seen.get("type") == "file" and seen["sha256"] != item.sha256:
        digests = f"sha256 {seen['sha256'][:SHOWN]}", f"sha256 {item.sha256[:SHOWN]}"
        yield kinds.EDITED, *(("another secret content", None) if item.secret else digests)
    yield from _place(item, seen, "file")


def _folder(item: Directory, seen: Seen, reason: str) -> Iterator[Found]:
    if seen.get("foreign"):
        yield kinds.FOREIGN, seen["foreign"], None
        return
    yield from _place(item, seen, "directory")


def _place(item: File | Directory, seen: Seen, kind: str) -> Iterator[Found]:
    if not seen:
        yield kinds.MISSING, None, f"a {kind}"
        return
    if seen["type"] != kind:
        yield kinds.WRONG_TYPE, f"a {seen['type']}", f"a {kind}"
        return
    if seen["mode"] != item.mode:
        yield kinds.MODE, f"{seen['mode']:04o}", f"{item.mode:04o}"
    there, planned = f"{seen['owner']}:{seen['group']}", f"{item.owner}:{item.group}"
    if there != planned:
        yield kinds.OWNER, there, planned


def _link(item: Symlink, seen: Seen, reason: str) -> Iterator[Found]:
    if not seen:
        yield kinds.MISSING, None, f"a link to {item.target}"
    elif seen["type"] != "link":
        yield kinds.WRONG_TYPE, f"a {seen['type']}", f"a link to {item.target}"
    else:
        yield kinds.LINK, seen["target"], item.target


def _user(item: User, seen: Seen, reason: str) -> Iterator[Found]:
    if seen.get("foreign"):
        yield kinds.FOREIGN, seen["foreign"], None
    else:
        yield (kinds.USER if "home" in seen else kinds.MISSING), reason, None


def _package(item: Package, seen: Seen, reason: str) -> Iterator[Found]:
    if not seen or not seen["status"].endswith(" ok installed"):
        yield kinds.PACKAGE_MISSING, seen.get("status"), item.version or "installed"
        return
    if item.exact and seen["version"] != item.exact:
        yield moved(seen["version"], item.exact), seen["version"], item.exact
    elif item.version and upstream_version(seen["version"]) != item.version:
        yield moved(upstream_version(seen["version"]), item.version), seen["version"], item.version
    if item.hold and not seen["status"].startswith("hold "):
        yield kinds.NOT_HELD, None, "on hold"


def moved(there: str, planned: str) -> Kind:
    """Which way a version went, as Debian orders them."""
    try:
        newer = Version(there) > Version(planned)
    except ValueError:  # one of a package that is half unpacked
        return kinds.PACKAGE_MISSING
    return kinds.UPGRADED if newer else kinds.DOWNGRADED


def _unit(item: Unit, seen: Seen, reason: str) -> Iterator[Found]:
    if not seen:
        yield kinds.MISSING, None, "enabled and active"
        return
    if seen["enabled"] == "masked":
        yield kinds.MASKED, "masked", "enabled"
    elif seen["enabled"] not in ("enabled", "static"):
        yield kinds.DISABLED, seen["enabled"], "enabled"
    if seen["active"] not in ("active", "reloading"):
        yield kinds.STOPPED, seen["active"], "active"
    elif seen["enabled"] != "masked" and _is_older(item, seen, reason):
        yield kinds.OLDER, reason, None


def _is_older(item: Unit, seen: Seen, reason: str) -> bool:
    """A masked one has no stamp that could be read."""
    stamps = (seen["stamp"].get(part, "") != said for part, said in item.stamp.items())
    return any(stamps) or reason.startswith("has an older")


def _left_units(item: NoOtherUnits, seen: Seen, reason: str) -> Iterator[Found]:
    yield kinds.LEFT_OVER, ", ".join(seen["units"]), None


def _left(item: Absent, seen: Seen, reason: str) -> Iterator[Found]:
    yield kinds.LEFT_OVER, "there", None


def _manifest(item: Manifest, seen: Seen, reason: str) -> Iterator[Found]:
    """What it notes of the host is told by itself (``of_notes``)."""
    if not seen.get("planned_sha256"):
        yield kinds.NO_MANIFEST, None, None
    elif reason.startswith("is of another plan"):
        yield kinds.OTHER_PLAN, None, None
    elif not seen["private"]:
        yield kinds.OPEN_MANIFEST, None, "0600 root:root"


_BY_TYPE: dict[type, Callable[[Any, Seen, str], Iterator[Found]]] = {
    File: _file,
    Directory: _folder,
    Symlink: _link,
    User: _user,
    Package: _package,
    Unit: _unit,
    NoOtherUnits: _left_units,
    Absent: _left,
    Manifest: _manifest,
    Certificate: partial(_plain, kinds.CERTIFICATE),
    GatewayData: partial(_plain, kinds.DATA),
    NginxLimits: partial(_plain, kinds.LIMITS),
    Initramfs: partial(_plain, kinds.BOOT),
    StepUnderWay: partial(_plain, kinds.STEP),
}
"""How the drifts of each type are told. A test holds it against the types that there are."""


def _diff(change: Change) -> tuple[str, ...]:
    """Lines that differ of a text that is no secret: a hand's traces, and what the plan has."""
    item, text = change.item, change.seen.get("text")
    if not isinstance(item, File) or item.secret or text is None or b"\0" in item.content:
        return ()
    planned = item.content.decode(errors="replace").splitlines()
    lines = list(difflib.unified_diff(planned, str(text).splitlines(), lineterm="", n=0))
    return tuple(line for line in lines[2:] if not line.startswith("@@"))[:MOST_LINES]
