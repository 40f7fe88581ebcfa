"""Names of those that a file is of, or their numbers where the host knows no name."""

from __future__ import annotations

import grp
import os
import pwd


def owner_of(info: os.stat_result) -> str:
    """The user of a file."""
    try:
        return pwd.getpwuid(info.st_uid).pw_name
    except KeyError:
        return str(info.st_uid)


def group_of(info: os.stat_result) -> str:
    """The group of a file."""
    try:
        return grp.getgrgid(info.st_gid).gr_name
    except KeyError:
        return str(info.st_gid)
