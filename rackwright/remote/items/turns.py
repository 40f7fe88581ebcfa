"""Which step of a replica is under way on this server, and what ran before its last change.

``NAME.json`` says who has begun a step, and where it is; it is gone when the step has ended. While
its time is not up nobody else begins one. ``NAME.before`` has unit, environment file and note of
the last start that was proven, until the next step changes them; ``NAME.back`` has them while they
are put back, and ``NAME.before`` is then what ran until now.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

from rackwright.remote.host.running import Failed, run
from rackwright.remote.host.trees import remove as remove_tree
from rackwright.remote.items import stamps
from rackwright.remote.items.files import put_back, saved, write

Values = dict[str, Any]
KEPT = ("unit", "environment", "stamp")
UNITS = Path("/etc/systemd/system")
LISTENS = re.compile(r"^ExecStartPost=\S+/await-ready (\S+) (\d+) ", re.MULTILINE)


def seen(query: Values) -> Values:
    """The mark of a step that has not ended; nothing where there is none."""
    return mark_of(Path(query["folder"]), query["key"])


def mark_of(folder: Path, replica: str) -> Values:
    """The same. A mark that cannot be read is one whose time is up."""
    try:
        mark = json.loads((folder / f"{replica}.json").read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        mark = None
    return mark if isinstance(mark, dict) else {"owner": "somebody", "stage": "it cannot be read"}


def note(folder: Path, asked: Values) -> Values:
    """Write down where the step of ``replica`` is, for ``lease_s`` seconds.

    What stood ``before``, and whether its unit is ``there``. While somebody else's time is not up
    nothing is written: ``held`` is then who has begun it, and ``left_s`` how long that holds yet.
    ``heir_of`` is somebody else whose step the owner goes on with.
    """
    others = held(folder, asked["replica"], asked["owner"])
    if others and others["held"].get("owner") != asked.get("heir_of"):
        return others
    before, now = mark_of(folder, asked["replica"]), time.time()
    mark = {
        "replica": asked["replica"],
        "owner": asked["owner"],
        "stage": asked["stage"],
        "began_unix_s": before.get("began_unix_s", now),
        "until_unix_s": now + asked["lease_s"],
        "changed": bool(before.get("changed")),
        "restored": bool(before.get("restored")),
    }
    _write_mark(folder, mark)
    unit = UNITS / asked["unit"]
    return {"before": before, "listens": listens(unit), "there": unit.exists()}


def held(folder: Path, replica: str, owner: str) -> Values:
    """``held``: another's mark whose time is not up, and for how long; nothing without one."""
    mark = mark_of(folder, replica)
    left_s = mark.get("until_unix_s", 0) - time.time()
    return {"held": mark, "left_s": left_s} if left_s > 0 and mark.get("owner") != owner else {}


def listens(unit: Path) -> Values | None:
    """Where a unit's process listens, by what waits for it; None where nothing waits for it."""
    try:
        found = LISTENS.search(unit.read_text())
    except OSError:
        return None
    return {"address": found[1], "port": int(found[2])} if found else None


def _write_mark(folder: Path, mark: Values) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write(
        folder / f"{mark['replica']}.json",
        json.dumps(mark).encode(),
        os.getuid(),
        os.getgid(),
        0o600,
    )


def end(folder: Path, replica: str, owner: str) -> None:
    """The owner's step has ended; another's goes on."""
    if mark_of(folder, replica).get("owner") == owner:
        (folder / f"{replica}.json").unlink(missing_ok=True)


def forget(folder: Path, asked: Values) -> None:
    """All of a replica that is gone: one that is called so later is another."""
    for kept in _kept(folder, asked):
        remove_tree(kept, ignore_errors=True)
    (folder / f"{asked['replica']}.json").unlink(missing_ok=True)


def keep(folder: Path, asked: Values) -> None:
    """Keep what runs, as the way back; once a step, for what it left half done was never proven.

    Where a run was cut off going back, what ran is kept already, and the files may be of both.
    """
    mark = mark_of(folder, asked["replica"])
    target, aside = _kept(folder, asked)
    if mark.get("changed"):
        return
    if not (aside.is_dir() and target.is_dir()):
        _keep(target, asked)
    remove_tree(aside, ignore_errors=True)
    _write_mark(folder, {**mark, "changed": True})


def _kept(folder: Path, asked: Values) -> tuple[Path, Path]:
    """Where what ran before is kept; and where it is while it is put back."""
    return folder / f"{asked['replica']}.before", folder / f"{asked['replica']}.back"


def _keep(target: Path, asked: Values) -> None:
    fresh = target.with_suffix(".new")
    remove_tree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700, parents=True)
    about = {}
    for name, path in _places(asked).items():
        before = saved(path)
        if before is None:
            continue
        content = _without_links(before.pop("content"), asked.get("links", ()))
        write(fresh / name, content, os.getuid(), os.getgid(), 0o600)
        about[name] = before
    (fresh / "about.json").write_text(json.dumps(about))
    remove_tree(target, ignore_errors=True)
    if "unit" in about:
        fresh.replace(target)
    else:
        remove_tree(fresh)


def _without_links(content: bytes, links: Any) -> bytes:
    """A link that units ran from once will be gone: what they ran is where it leads now."""
    for link in links:
        if Path(link).is_symlink():
            content = content.replace(f"{link}/".encode(), f"{Path(link).readlink()}/".encode())
    return content


def _places(asked: Values) -> dict[str, Path]:
    stamp = stamps.FOLDER / f"{asked['unit']}.json"
    return dict(zip(KEPT, (UNITS / asked["unit"], Path(asked["environment"]), stamp)))


def before_of(folder: Path, replica: str) -> Values | None:
    """Where what ran before listened; None where there is no way back."""
    target, aside = _kept(folder, {"replica": replica})
    unit = (aside if aside.is_dir() else target) / "unit"
    return {"listens": listens(unit)} if unit.is_file() else None


def kept_environment(folder: Path, replica: str) -> Path:
    """The environment file of what ran before, which may not be there."""
    target, aside = _kept(folder, {"replica": replica})
    return (aside if aside.is_dir() else target) / "environment"


def restore(folder: Path, asked: Values) -> None:
    """Have the unit as it was before, and start it; what it is now becomes the way back (``swap``).

    Without ``swap`` what this step changed here is undone, and what it did not is started anew.
    Raises Failed where nothing was kept.
    """
    mark = mark_of(folder, asked["replica"])
    if asked.get("swap"):
        _go_back(folder, asked, mark)
    else:
        _undo(folder, asked, mark)


def _go_back(folder: Path, asked: Values, mark: Values) -> None:
    target, aside = _kept(folder, asked)
    if mark.get("restored") and not aside.is_dir():  # by a run that was cut off
        restart(asked["unit"])
    elif mark.get("changed") and not aside.is_dir():  # what runs was never proven
        _put(target, asked)
    else:
        _swap(folder, asked, {**mark, "restored": True})


def _undo(folder: Path, asked: Values, mark: Values) -> None:
    target, aside = _kept(folder, asked)
    if aside.is_dir() and not target.is_dir():  # nothing was put back yet
        aside.replace(target)
        restart(asked["unit"])
    elif aside.is_dir():
        _put(target, asked)
        remove_tree(target)
        aside.replace(target)
    elif mark.get("changed"):
        _put(target, asked)
    elif mark.get("restored"):
        _swap(folder, asked, {**mark, "restored": False})
    else:
        restart(asked["unit"])


def _swap(folder: Path, asked: Values, mark: Values) -> None:
    """Cut off at any moment, both are on the disk, and the next goes on with it."""
    target, aside = _kept(folder, asked)
    if not aside.is_dir():
        _require(target, asked)
        target.replace(aside)
    if not target.is_dir():
        _keep(target, asked)
    _put(aside, asked)
    _write_mark(folder, mark)
    remove_tree(aside)


def _require(kept: Path, asked: Values) -> None:
    if not (kept / "unit").is_file():
        raise Failed(f"nothing is kept of what {asked['replica']} ran before")


def _put(kept: Path, asked: Values) -> None:
    """Started, and noted as started after that: no note is left of a start that never was."""
    _require(kept, asked)
    about = json.loads((kept / "about.json").read_text())
    before = {name: {"content": (kept / name).read_bytes(), **about[name]} for name in about}
    places = _places(asked)
    places["stamp"].unlink(missing_ok=True)
    for name in ("unit", "environment"):
        if name in before:
            put_back(places[name], before[name])
        else:
            places[name].unlink(missing_ok=True)
    restart(asked["unit"])
    if "stamp" in before:
        put_back(places["stamp"], before["stamp"])


def restart(unit: str) -> None:
    """Started anew, with what its unit says now. Old failures are forgotten first."""
    run("systemctl", "daemon-reload")
    run("systemctl", "reset-failed", unit)
    run("systemctl", "--no-block", "restart", unit)
