"""Limits that Nginx reads from its main file alone: read there, and raised where they are lower."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rackwright.remote.host.nginx import LIMITS, limits, with_limits
from rackwright.remote.host.running import Failed, ended
from rackwright.remote.items.files import saved, write

Values = dict[str, Any]


def seen(query: Values) -> Values:
    """What is in force: by the main file, or by one that it includes, which only Nginx finds."""
    path = Path(query["key"])
    if not path.is_file():
        return {}
    own = limits(_text(path))
    return own if own.keys() == set(LIMITS) else {**limits(_dumped()), **own}


def make(change: Values) -> None:
    """Raise what is lower, in the main file; what stands in another is the operator's to raise."""
    path = Path(change["key"]).resolve()  # through a link, which stays
    before = saved(path)
    if before is None:
        raise Failed(f"{path} is not there: run stage base")
    now = seen({"key": path})
    low = {name: least for name, least in change["least"].items() if now.get(name, 0) < least}
    own = limits(_text(path))
    for name in low.keys() & now.keys() - own.keys():
        raise Failed(
            f"{name} is {now[name]} in a file that {path} includes: raise it to {low[name]}"
        )
    try:
        text = with_limits(_text(path), low)
    except ValueError as error:
        raise Failed(f"{path}: {error}") from None
    write(path, text.encode(errors="surrogateescape"), before["uid"], before["gid"], before["mode"])


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="surrogateescape")


def _dumped() -> str:
    """All that Nginx would load; nothing where it would not, or is not there yet."""
    try:
        nginx = ended("nginx", "-T", "-q")
    except OSError:
        return ""
    return nginx.stdout if nginx.returncode == 0 else ""
