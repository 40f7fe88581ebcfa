"""On the host: look at many items in one go, or make them so. See ``desired/items.py``."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rackwright.remote.items import (
    accounts,
    certificates,
    files,
    gateway_data,
    initramfs,
    leftovers,
    manifest,
    nginx_limits,
    own,
    packages,
    turns,
    units,
)

LOCK = Path("/run/rackwright.lock")
APT = "/etc/apt/"
"""Files that apt reads, sources and pins: they are there before packages are installed."""
WRITTEN = ("file", "limits")
"""Kinds of items that are files, and are put back where a configuration is refused."""

Values = dict[str, Any]


def observe(queries: Sequence[Values]) -> list[Values]:
    """Answer all queries, in their order; packages and units are asked for together."""
    installed = packages.installed([q["key"] for q in queries if q["kind"] == "package"])
    loaded = units.seen_of([q for q in queries if q["kind"] == "unit"])
    look: dict[str, Callable[[Values], Values]] = {
        "directory": files.seen,
        "file": files.seen,
        "link": files.seen,
        "user": accounts.seen,
        "certificate": certificates.seen,
        "initramfs": initramfs.seen,
        "limits": nginx_limits.seen,
        "gateway data": gateway_data.seen,
        "turn": turns.seen,
        "manifest": manifest.seen,
        "units": lambda q: {"units": [path.name for path in leftovers.other_units(q)]},
        "absent": lambda q: (
            {"there": True} if leftovers.is_there(Path(q["key"]), q["mark"]) else {}
        ),
        "package": lambda q: installed.get(q["key"], {}),
        "unit": lambda q: loaded.get(q["key"], {}),
    }
    return [look[query["kind"]](query) for query in queries]


def apply(changes: Sequence[Values], supply: Values | None = None) -> None:
    """Make the changes in their order, alone on this host: packages first, units last.

    Before packages only what apt reads. A gateway reads its data again after all. ``supply`` is
    where packages come from, if not from the host's own archives. Last of all the manifest is
    written.

    None of them where one is of something that is not ours.
    """
    make = {
        "directory": files.make_directory,
        "file": files.make_file,
        "link": files.make_link,
        "user": accounts.make,
        "certificate": certificates.make,
        "initramfs": initramfs.make,
        "limits": nginx_limits.make,
        "units": leftovers.remove_units,
        "absent": leftovers.remove,
    }
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _refuse_foreign(changes)
        before = {c["key"]: files.saved(Path(c["key"])) for c in changes if c["kind"] in WRITTEN}
        others = [change for change in changes if change["kind"] in make]
        for change in (c for c in others if c["key"].startswith(APT)):
            make[change["kind"]](change)
        packages.install([c for c in changes if c["kind"] == "package"], supply)
        for change in (c for c in others if not c["key"].startswith(APT)):
            make[change["kind"]](change)
        units.make([c for c in changes if c["kind"] == "unit"], before)
        gateway_data.make([c for c in changes if c["kind"] == "gateway data"], before)
        for change in changes:
            if change["kind"] == "manifest":
                manifest.make(change)


def _refuse_foreign(changes: Sequence[Values]) -> None:
    for change in changes:
        if change["kind"] == "user":
            accounts.refuse_foreign(change)
        elif change["kind"] in ("directory", "file", "link", "absent"):
            own.refuse_foreign(change)


def main(request: Values) -> Any:
    """Dispatch on ``request["do"]``: observe or apply."""
    if request["do"] == "observe":
        return observe(request["items"])
    try:
        apply(request["items"], request.get("apt"))
    except OSError as failure:  # a command that said no, too
        return {"error": str(failure)}
    return {}
