"""Users of the system, and the groups they are in. One that we did not make is never altered."""

from __future__ import annotations

import grp
import pwd
from typing import Any

from rackwright.remote.host.reserved import is_reserved_account
from rackwright.remote.host.running import Failed, run

MARK = "Rackwright engines"
"""The comment of a user that we made. Those made before it have none, and are known by the rest."""
SHELL = "/usr/sbin/nologin"
UIDS = range(100, 1000)
"""What `useradd --system` gives, and login users never have (Debian policy 9.2.2)."""

Values = dict[str, Any]


def seen(query: Values) -> Values:
    """Its home, the groups that it is not in, and why it is not ours; nothing where it is not."""
    name = query["key"]
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return {"foreign": _foreign_group(name)} if _has_group(name) else {}
    others = [g.gr_name for g in grp.getgrall() if name not in g.gr_mem]
    foreign = _foreign(entry, query["home"])
    return {"home": entry.pw_dir, "missing_groups": others, "foreign": foreign}


def _foreign(entry: pwd.struct_passwd, home: str) -> str:
    """Why a user is none that we made, in words; empty where it is."""
    if is_reserved_account(entry.pw_name):
        return "is one of the system's"
    if entry.pw_uid not in UIDS:
        return f"has the uid {entry.pw_uid}, not one of a system user"
    if entry.pw_shell != SHELL:
        return f"has the shell {entry.pw_shell or '/bin/sh'}, not {SHELL}"
    if _group_name(entry.pw_gid) != entry.pw_name:
        return "has not a group of its own name first"
    if entry.pw_dir != home and entry.pw_gecos != MARK:
        return f"has the home {entry.pw_dir}, not {home}"
    return ""


def _foreign_group(name: str) -> str:
    """Why a user may not be given a group that is there without one; empty where it may."""
    group = grp.getgrnam(name)
    others = [*group.gr_mem, *(e.pw_name for e in pwd.getpwall() if e.pw_gid == group.gr_gid)]
    if is_reserved_account(name) or group.gr_gid not in UIDS:
        return f"is a group of the system or of people (gid {group.gr_gid}), and no user"
    return f"is a group of {', '.join(sorted(set(others)))}, and no user" if others else ""


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def refuse_foreign(change: Values) -> None:
    """Raise Failed for a user, or a group of its name, that we did not make."""
    if why := seen(change).get("foreign"):
        raise Failed(
            f"user {change['key']} {why}: Rackwright did not make it and leaves it as it is. "
            "Choose another engine_user; if it is a system user of Rackwright's whose home is "
            f"another now, `usermod --comment '{MARK}' {change['key']}` says so"
        )


def make(change: Values) -> None:
    """Made or mended; groups that this host does not have are left out."""
    refuse_foreign(change)
    name, home = change["key"], change["home"]
    try:
        pwd.getpwnam(name)
    except KeyError:
        group = ["--gid", name] if _has_group(name) else ["--user-group"]
        run("useradd", "--system", *group, "--shell", SHELL, "--comment", MARK,
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
