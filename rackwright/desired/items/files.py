"""Folders, files and links."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from rackwright.desired.items.item import Observed

SHOWN_BYTES = 65536
"""Of a longer file no difference is shown."""


@dataclass(frozen=True)
class Directory:
    """A folder with its mode (octal, as in ``0o755``) and owner.

    ``inside`` are names that we make in a folder of our own: one that is there and holds other
    things, and none of these, is somebody else's and left alone.
    """

    key: str
    mode: int = 0o755
    owner: str = "root"
    group: str = "root"
    inside: tuple[str, ...] = ()
    kind: ClassVar[str] = "directory"

    def query(self) -> dict[str, Any]:
        """By what it is known as ours."""
        return {"owner": self.owner, "inside": list(self.inside)}

    def payload(self) -> dict[str, Any]:
        """The same, mode and group."""
        return {**self.query(), "mode": self.mode, "group": self.group}

    def difference(self, seen: Observed) -> str | None:
        """Missing, not a folder, somebody else's, or of another mode or owner."""
        if not seen:
            return "missing"
        if seen["type"] != "directory":
            return f"is a {seen['type']}, not a directory"
        if foreign := seen.get("foreign"):
            return f"{foreign}: not ours"
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

    @cached_property
    def sha256(self) -> str:
        """Digest of the content, in hex."""
        return hashlib.sha256(self.content).hexdigest()

    def query(self) -> dict[str, Any]:
        """Its path; and whether its text may be sent back for a diff, where that is another."""
        if self.secret or len(self.content) >= SHOWN_BYTES:
            return {"text": False}
        return {"text": True, "sha256": self.sha256}

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
class Symlink:
    """A symbolic link, switched by rename so that it always points somewhere whole.

    One that is ``only_first`` is made where it leads nowhere; others switch it later.
    """

    key: str
    target: str
    only_first: bool = False
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
        if self.only_first and seen.get("leads"):
            return None
        if seen.get("target") != self.target:
            return f"points to {seen.get('target', seen['type'])}, not {self.target}"
        return None
