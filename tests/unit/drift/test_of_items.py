"""Items that a lab's host has none of, each as a drift; and every type has its names."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.desired import items as types
from rackwright.desired.items import File, Initramfs, Item, Package, Symlink
from rackwright.drift import kinds
from rackwright.drift.kinds import Kind
from rackwright.drift.of_items import _BY_TYPE, item_drifts
from tests.samples.drift import SEEN

NOT_ITEMS = {"Change", "Item"}
LINK = Symlink("/tls/served", "/tls/issued")
LOCKED = Package("nginx", exact="1.22.1-9")
BROUGHT = Package("libc6", exact="2.36-9", where_present=True)
PINNED = Package("libcuda", version="580.159.04", hold=True)
IMAGES = Initramfs("nouveau", (File("/etc/modprobe.d/a.conf", b"blacklist nouveau\n"),))

TABLE: list[tuple[Item, dict[str, Any], Kind, str | None, str | None]] = [
    (LINK, {"type": "link", "target": "/tls/old"}, kinds.LINK, "/tls/old", "/tls/issued"),
    (LINK, {}, kinds.MISSING, None, "a link to /tls/issued"),
    (LINK, {"type": "directory"}, kinds.WRONG_TYPE, "a directory", "a link to /tls/issued"),
    (PINNED, {"status": "install ok installed", "version": "580.159.04-1"},
     kinds.NOT_HELD, None, "on hold"),
    (PINNED, {"status": "hold ok installed", "version": "1:580.178.04-1ubuntu1"},
     kinds.UPGRADED, "1:580.178.04-1ubuntu1", "580.159.04"),
    (PINNED, {"status": "hold ok installed", "version": "580.20-1"},
     kinds.DOWNGRADED, "580.20-1", "580.159.04"),
    (LOCKED, {"status": "install ok installed", "version": "1.22.1-9+deb12u2"},
     kinds.UPGRADED, "1.22.1-9+deb12u2", "1.22.1-9"),
    (BROUGHT, {"status": "install ok installed", "version": "2.35-1"},
     kinds.DOWNGRADED, "2.35-1", "2.36-9"),
    (IMAGES, {"stamp": "older"},
     kinds.BOOT, "does not know /etc/modprobe.d/a.conf yet: rebuild", None),
]  # fmt: skip


@pytest.mark.parametrize(("item", "seen", "kind", "there", "planned"), TABLE)
def test_what_is_there_and_what_should_be(
    item: Item, seen: dict[str, Any], kind: Kind, there: str | None, planned: str | None
) -> None:
    (found,) = item_drifts("gpu1", [item], [seen])
    assert (found.kind, found.path) == (kind, item.key)
    assert (found.there, found.planned) == (there, planned)


def test_two_things_that_are_wrong_with_one_file_are_two_drifts() -> None:
    seen = {"type": "file", "sha256": "0", "mode": 0o600, "owner": "games", "group": "root"}
    found = item_drifts("gpu1", [File("/etc/a", b"a")], [seen])
    assert [one.kind for one in found] == [kinds.EDITED, kinds.MODE, kinds.OWNER]


def test_every_type_of_item_has_names_and_a_sample() -> None:
    every = {getattr(types, name) for name in types.__all__ if name not in NOT_ITEMS}
    every = {one for one in every if isinstance(one, type)}
    assert set(_BY_TYPE) == every == set(SEEN)
