"""Users of the system, and the groups they are in."""

from __future__ import annotations

import grp
import pwd
from typing import Any

from rackwright.remote.host.running import run

Values = dict[str, Any]


def seen(query: Values) -> Values:
    """Its home, and the groups that it is not in; nothing where it is not there."""
    try:
        entry = pwd.getpwnam(query["key"])
    except KeyError:
        return {}
    others = [g.gr_name for g in grp.getgrall() if query["key"] not in g.gr_mem]
    return {"home": entry.pw_dir, "missing_groups": others}


def make(change: Values) -> None:
    """Made or mended; groups that this host does not have are left out."""
    name, home = change["key"], change["home"]
    try:
        pwd.getpwnam(name)
    except KeyError:
        group = ["--gid", name] if _has_group(name) else ["--user-group"]
        run("useradd", "--system", *group, "--shell", "/usr/sbin/nologin",
            "--home-dir", home, "--no-create-home", name)  # fmt: skip
    else:
        run("usermod", "--home", home, name)
    groups = [group for group in change["groups"] if _has_group(group)]
    if groups:
        run("usermod", "--append", "--groups", ",".join(groups), name)


def _has_group(name: str) -> bool:
    try:
        return bool(grp.getgrnam(name))
    except KeyError:
        return False
