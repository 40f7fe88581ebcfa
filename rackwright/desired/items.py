"""The kinds of thing a host can be asked to have. Values only: no I/O, no pyinfra.

Each item knows what it asks of the host (``query``), what it sends when the host differs
(``payload``), and how to tell a difference in words (``difference``). The host's half is
``remote/state.py``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from debian.debian_support import Version

Observed = Mapping[str, Any]
"""What the host answers for one item; an empty mapping where it has nothing of the kind."""


class Item(Protocol):
    """One thing a host must have."""

    @property
    def kind(self) -> str:
        """Name of the kind, which the host's half dispatches on."""

    @property
    def key(self) -> str:
        """What identifies the item among those of its kind: a path or a name."""

    def query(self) -> dict[str, Any]:
        """What the host needs to know to look at it."""

    def payload(self) -> dict[str, Any]:
        """What the host needs to know to make it so."""

    def difference(self, seen: Observed) -> str | None:
        """Why the host differs, in words; None when it is as it must be."""


@dataclass(frozen=True)
class Directory:
    """A folder with its mode (octal, as in ``0o755``) and owner."""

    key: str
    mode: int = 0o755
    owner: str = "root"
    group: str = "root"
    kind: ClassVar[str] = "directory"

    def query(self) -> dict[str, Any]:
        """Only its path."""
        return {}

    def payload(self) -> dict[str, Any]:
        """Mode and owner."""
        return {"mode": self.mode, "owner": self.owner, "group": self.group}

    def difference(self, seen: Observed) -> str | None:
        """Missing, not a folder, or of another mode or owner."""
        if not seen:
            return "missing"
        if seen["type"] != "directory":
            return f"is a {seen['type']}, not a directory"
        return _access(self, seen)


@dataclass(frozen=True)
class File:
    """A file with its whole content. A ``secret`` one never has its content shown."""

    key: str
    content: bytes = field(repr=False)
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    secret: bool = False
    kind: ClassVar[str] = "file"

    @property
    def sha256(self) -> str:
        """Digest of the content, in hex."""
        return hashlib.sha256(self.content).hexdigest()

    def query(self) -> dict[str, Any]:
        """Its path; and whether its text may be sent back for a diff."""
        return {"text": not self.secret and len(self.content) < 65536}

    def payload(self) -> dict[str, Any]:
        """Content, mode and owner: written whole and renamed into place."""
        content = base64.b64encode(self.content).decode()
        access = {"mode": self.mode, "owner": self.owner, "group": self.group}
        return {"content": content, **access}

    def difference(self, seen: Observed) -> str | None:
        """Missing, of another type or content, or of another mode or owner."""
        if not seen:
            return "missing"
        if seen["type"] != "file":
            return f"is a {seen['type']}, not a file"
        if seen["sha256"] != self.sha256:
            return "content differs"
        return _access(self, seen)


def _access(item: Directory | File, seen: Observed) -> str | None:
    if seen["mode"] != item.mode:
        return f"mode is {seen['mode']:04o}, not {item.mode:04o}"
    if (seen["owner"], seen["group"]) != (item.owner, item.group):
        return f"owner is {seen['owner']}:{seen['group']}, not {item.owner}:{item.group}"
    return None


@dataclass(frozen=True)
class Link:
    """A symbolic link, switched by rename so that it always points somewhere whole."""

    key: str
    target: str
    kind: ClassVar[str] = "link"

    def query(self) -> dict[str, Any]:
        """Only its path."""
        return {}

    def payload(self) -> dict[str, Any]:
        """Where it points."""
        return {"target": self.target}

    def difference(self, seen: Observed) -> str | None:
        """Missing, something else, or pointing elsewhere."""
        if not seen:
            return "missing"
        if seen.get("target") != self.target:
            return f"points to {seen.get('target', seen['type'])}, not {self.target}"
        return None


@dataclass(frozen=True)
class Package:
    """A package of the distribution, installed without what it merely recommends.

    ``version`` is the upstream one, pinned: an older or newer one is replaced. ``hold`` keeps
    upgrades that are not ours away from it.
    """

    key: str
    version: str | None = None
    hold: bool = False
    kind: ClassVar[str] = "package"

    def query(self) -> dict[str, Any]:
        """Only its name."""
        return {}

    def payload(self) -> dict[str, Any]:
        """Version and hold."""
        return {"version": self.version, "hold": self.hold}

    def difference(self, seen: Observed) -> str | None:
        """Not installed, left half installed by an interrupted apt, of another version, not held.

        One on hold is installed.
        """
        if not seen:
            return "not installed"
        if not seen["status"].endswith(" ok installed"):
            return f"is {seen['status']!r}"
        if self.version and upstream_version(seen["version"]) != self.version:
            return f"is {seen['version']}, not {self.version}"
        return "is not held" if self.hold and not seen["status"].startswith("hold ") else None


def upstream_version(version: str) -> str:
    """A Debian version without epoch and revision: ``1:580.159.04-1ubuntu1`` -> ``580.159.04``.

    A text that is no version stays as it is: dpkg tells none of a package it has begun to unpack.
    """
    try:
        return str(Version(version).upstream_version)
    except ValueError:
        return version


@dataclass(frozen=True)
class Initramfs:
    """The boot images of all kernels, made anew when one of ``files`` has changed."""

    key: str
    files: tuple[File, ...]
    kind: ClassVar[str] = "initramfs"

    @property
    def stamp(self) -> str:
        """Digest of the files."""
        return _digest(self.files)

    def query(self) -> dict[str, Any]:
        """Only its name."""
        return {}

    def payload(self) -> dict[str, Any]:
        """What it was made of."""
        return {"stamp": self.stamp}

    def difference(self, seen: Observed) -> str | None:
        """Made of other files, or never by us."""
        if seen.get("stamp") == self.stamp:
            return None
        return f"does not know {', '.join(file.key for file in self.files)} yet: rebuild"


@dataclass(frozen=True)
class User:
    """A system user without a login, with a group of the same name."""

    key: str
    home: str
    groups: tuple[str, ...] = ()
    kind: ClassVar[str] = "user"

    def query(self) -> dict[str, Any]:
        """Only its name."""
        return {}

    def payload(self) -> dict[str, Any]:
        """Home and supplementary groups."""
        return {"home": self.home, "groups": list(self.groups)}

    def difference(self, seen: Observed) -> str | None:
        """Missing, of another home, or not in a group that exists on the host."""
        if not seen:
            return "missing"
        if seen["home"] != self.home:
            return f"home is {seen['home']}, not {self.home}"
        absent = [name for name in self.groups if name in seen["missing_groups"]]
        return f"not in group {', '.join(absent)}" if absent else None


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate, made on the host once, so that its key never travels."""

    key: str
    key_path: str
    server_name: str
    kind: ClassVar[str] = "certificate"

    def query(self) -> dict[str, Any]:
        """The paths, and the name it must be for."""
        return {"key_path": self.key_path, "server_name": self.server_name}

    def payload(self) -> dict[str, Any]:
        """The same."""
        return self.query()

    def difference(self, seen: Observed) -> str | None:
        """Missing, for another name, or within 30 days of its end."""
        if not seen:
            return "missing"
        if not seen["for_name"]:
            return f"is not for {self.server_name}"
        return "ends within 30 days" if seen["ends_soon"] else None


@dataclass(frozen=True)
class Unit:
    """A systemd unit that is enabled and running what the host now has on disk.

    ``restart_on`` and ``reload_on`` are items of the same list. Their digest is kept on the host
    when the unit was last (re)started, so that a run which is cut off between writing a file and
    restarting is repaired by the next. ``validate`` runs before a start or reload; when it fails
    the files of this run are put back.
    """

    key: str
    restart_on: tuple[File | Link, ...] = ()
    reload_on: tuple[File | Link | Certificate, ...] = ()
    validate: tuple[str, ...] = ()
    start_timeout_s: int = 90
    kind: ClassVar[str] = "unit"

    @property
    def stamp(self) -> dict[str, str]:
        """Digests of what the unit was started with, and of what it last loaded."""
        return {"restart": _digest(self.restart_on), "reload": _digest(self.reload_on)}

    def query(self) -> dict[str, Any]:
        """Its name; and the certificates it loads, which only the host has."""
        return {"loads": [one.key for one in self.reload_on if isinstance(one, Certificate)]}

    def payload(self) -> dict[str, Any]:
        """Stamps, validation, and which files to put back when validation fails."""
        guarded = [item.key for item in (*self.restart_on, *self.reload_on)]
        own = {"stamp": self.stamp, "validate": list(self.validate), "guarded": guarded}
        return {**self.query(), **own}

    def difference(self, seen: Observed) -> str | None:
        """What has to happen to the unit: enable, start, restart, reload, or wait for it."""
        if not seen:
            return "not there yet: enable and start"
        if seen["active"] not in ("active", "reloading", "activating"):
            return f"is {seen['active']}: start"
        if seen["stamp"].get("restart", "") != self.stamp["restart"]:
            return "runs with older settings: restart"
        if seen["active"] == "activating":
            return "still starting: wait"
        if seen["stamp"].get("reload", "") != self.stamp["reload"]:
            return "has older configuration loaded: reload"
        fine = seen["enabled"] in (
            "enabled",
            "static",
        )  # static: others start it, nothing to enable
        return None if fine else f"is {seen['enabled']}: enable"


@dataclass(frozen=True)
class NoOtherUnits:
    """No unit of ours but those to ``keep``: what left the plan is stopped and taken away.

    ``key`` is a pattern of names, ``ours-*.service``; ours are those of them that hold a line that
    begins with ``mark``. ``beside`` are paths made for a unit, with ``{name}`` for what the star
    stands for; they go with it.
    """

    key: str
    mark: str
    keep: tuple[str, ...]
    beside: tuple[str, ...] = ()
    kind: ClassVar[str] = "units"

    def query(self) -> dict[str, Any]:
        """How to tell which are ours and which stay."""
        return {"mark": self.mark, "keep": list(self.keep)}

    def payload(self) -> dict[str, Any]:
        """The same, and what goes with a unit."""
        return {**self.query(), "beside": list(self.beside)}

    def difference(self, seen: Observed) -> str | None:
        """Units that are there and not planned."""
        if not seen["units"]:
            return None
        return f"{', '.join(seen['units'])} left the plan: stop and remove"


@dataclass(frozen=True)
class Absent:
    """A path of ours that must not be there any more.

    A file counts as ours by a line that begins with ``mark``, a folder by what is in it: ``mark``
    is then a pattern, ``*/.complete``. ``reload`` is the unit that had it loaded.
    """

    key: str
    mark: str
    reload: str = ""
    kind: ClassVar[str] = "absent"

    def query(self) -> dict[str, Any]:
        """Its path, and how to tell that it is ours."""
        return {"mark": self.mark}

    def payload(self) -> dict[str, Any]:
        """The same, and who must hear of it."""
        return {**self.query(), "reload": self.reload}

    def difference(self, seen: Observed) -> str | None:
        """There."""
        return "is not planned any more: remove" if seen else None


def _digest(items: Sequence[File | Link | Certificate]) -> str:
    if not items:
        return ""
    lines = [f"{item.key} {_fingerprint(item)}" for item in items]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _fingerprint(item: File | Link | Certificate) -> str:
    if isinstance(item, File):
        return item.sha256
    return item.target if isinstance(item, Link) else item.server_name


@dataclass(frozen=True)
class Change:
    """An item that differs on the host, and why."""

    item: Item
    reason: str
    seen: Observed

    def __str__(self) -> str:
        """As an operator reads it: ``file /etc/x: content differs``."""
        return f"{self.item.kind} {self.item.key}: {self.reason}"


def query(items: Sequence[Item]) -> list[dict[str, Any]]:
    """The request that asks a host about all items at once."""
    return [{"kind": item.kind, "key": item.key, **item.query()} for item in items]


def payload(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """The request that makes all changes, in the order of the items."""
    return [{"kind": c.item.kind, "key": c.item.key, **c.item.payload()} for c in changes]


def differences(items: Sequence[Item], observed: Sequence[Observed]) -> list[Change]:
    """Compare items with what the host answered, position by position.

    A unit also counts as different when something it restarts or reloads on does: its stamp
    already says so, because the stamp is of the desired content.
    """
    changes: list[Change] = []
    for item, seen in zip(items, observed, strict=True):
        if reason := item.difference(seen) or _outdated(item, changes):
            changes.append(Change(item, reason, seen))
    return changes


def _outdated(item: Item, changes: Sequence[Change]) -> str | None:
    """A certificate that is made anew is of no desired content, so no stamp can tell."""
    made = [change.item for change in changes if isinstance(change.item, Certificate)]
    if isinstance(item, Unit) and any(one in item.reload_on for one in made):
        return "has an older certificate loaded: reload"
    return None
