"""The desired state by pyinfra's own operations, one an item, as its documentation has them."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from pyinfra.context import host
from pyinfra.operations import apt, files, server, systemd

from benchmarks.converge.desired import ITEMS
from rackwright.desired.items import Directory, File, Package, Symlink, Unit, User


def directory(item: Directory) -> None:
    files.directory(
        name=f"Folder {item.key}",
        path=item.key,
        mode=f"{item.mode:o}",
        user=item.owner,
        group=item.group,
    )


def file(item: File) -> None:
    files.put(
        name=f"File {item.key}",
        src=BytesIO(item.content),
        dest=item.key,
        mode=f"{item.mode:o}",
        user=item.owner,
        group=item.group,
    )


def link(item: Symlink) -> None:
    files.link(name=f"Symlink {item.key}", path=item.key, target=item.target, force=True)


def package(item: Package) -> None:
    apt.packages(name=f"Package {item.key}", packages=[item.key], no_recommends=True)


def user(item: User) -> None:
    server.user(
        name=f"User {item.key}",
        user=item.key,
        home=item.home,
        shell="/usr/sbin/nologin",
        groups=list(item.groups),
        system=True,
        ensure_home=False,
    )


def unit(item: Unit) -> None:
    systemd.service(name=f"Unit {item.key}", service=item.key, running=True, enabled=True)


OPERATIONS: dict[str, Callable[[Any], None]] = {
    "directory": directory,
    "file": file,
    "link": link,
    "package": package,
    "user": user,
    "unit": unit,
}

for each in host.loop(ITEMS):
    OPERATIONS[each.kind](each)
