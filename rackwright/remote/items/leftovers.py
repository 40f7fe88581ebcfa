"""What was ours and is not wanted any more: units, folders, files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rackwright.remote.host import attempts
from rackwright.remote.host.running import run
from rackwright.remote.host.trees import remove as remove_tree
from rackwright.remote.items import stamps

UNIT_FILES = Path("/etc/systemd/system")
USES = ("EnvironmentFile=", "WorkingDirectory=")
"""Lines of a unit that name what was made for it alone."""

Values = dict[str, Any]


def other_units(query: Values) -> list[Path]:
    """Unit files of ours that are not among those to keep."""
    found = sorted(UNIT_FILES.glob(query["key"]))
    return [
        path for path in found if path.name not in query["keep"] and _is_ours(path, query["mark"])
    ]


def _is_ours(path: Path, mark: str) -> bool:
    """Whether it is there with what we know ours by.

    Something in a folder, how a line of a file begins, or whither a link leads.
    """
    if path.is_symlink() and str(path.readlink()).startswith(mark):
        return True
    if path.is_dir() and not path.is_symlink():
        return any(path.glob(mark))
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return False
    return any(line.startswith(mark) for line in lines)


def is_there(path: Path, mark: str) -> bool:
    """Whether it is still there, or half removed."""
    return _is_ours(path, mark) or os.path.lexists(_aside(path))


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.rackwright-old")


def remove_units(change: Values) -> None:
    """Stop, disable and remove; the unit's file goes last, so that a run cut off begins again."""
    for path in other_units(change):
        run("systemctl", "disable", "--quiet", "--now", path.name)
        for beside in _made_for(path, change):
            _take_away(beside)
        _take_away(stamps.FOLDER / f"{path.name}.json")
        _take_away(attempts.FOLDER / path.name)
        path.unlink()
    run("systemctl", "daemon-reload")


def _made_for(unit: Path, change: Values) -> list[Path]:
    """What goes with a unit, of that which the unit itself names: folders may have been renamed.

    What lies today where the inventory now says is then somebody else's.
    """
    name = unit.name[change["key"].index("*") : -len(".service")]
    lines = unit.read_text(errors="replace").splitlines()
    used = {line.partition("=")[2] for line in lines if line.startswith(USES)}
    beside = [Path(path.replace("{name}", name)) for path in change["beside"]]
    return [path for path in beside if str(path) in used]


def remove(change: Values) -> None:
    """Out of the way, then unloaded, then gone: a run that is cut off between leaves a trace."""
    path = Path(change["key"])
    if _is_ours(path, change["mark"]):
        path.replace(_aside(path))
    if change["reload"]:
        run("systemctl", "try-reload-or-restart", change["reload"])
    _take_away(_aside(path))
    if UNIT_FILES in path.parents:
        run("systemctl", "daemon-reload")


def _take_away(path: Path) -> None:
    """A file, a link or a folder with all that is in it; links in it are not followed."""
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)
