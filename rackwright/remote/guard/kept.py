"""What the watchdog keeps in its folder: JSON, written whole; a broken file is as none."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 16
MOST_TURN_S = 7200.0
"""No turn is as long: a clock was set."""

Values = dict[str, Any]


def read(path: Path) -> Values | None:
    """An object of JSON; None where there is none, or where it is none."""
    try:
        with path.open("rb") as file:
            value = json.loads(file.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def write(path: Path, value: Mapping[str, Any]) -> None:
    """Whole, by rename, for root alone."""
    _beside(path, value).replace(path)


def write_first(path: Path, value: Mapping[str, Any]) -> bool:
    """The same where there is none yet; whether it was written."""
    beside = _beside(path, value)
    try:
        os.link(beside, path)
    except FileExistsError:
        return False
    finally:
        beside.unlink()
    return True


def _beside(path: Path, value: Mapping[str, Any]) -> Path:
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(handle)
    return beside


def restarts_of(kept: Values | None, name: str, now_unix_s: float) -> list[float]:
    """Seconds ago of the restarts that are noted of a replica; one of the future is just now."""
    noted = (kept or {}).get(name)
    times = noted if isinstance(noted, list) else []
    return [max(0.0, now_unix_s - at) for at in times if isinstance(at, (int, float))]


def has_live_turn(turn: Values | None, now_unix_s: float) -> bool:
    """Whether a step of a rollout is under way, by the note that it leaves."""
    until = (turn or {}).get("until_unix_s")
    return isinstance(until, (int, float)) and 0 < until - now_unix_s <= MOST_TURN_S


def quarantine_of(path: Path) -> Values | None:
    """Why and since when the server is in quarantine: its being there is that, also when broken."""
    if not path.exists():
        return None
    noted = read(path) or {"why": f"{path} cannot be read", "since": 0}
    return {"why": str(noted.get("why")), "since": noted.get("since")}


def said_by(reply: Any, names: Sequence[str]) -> list[tuple[str, str, bool]]:
    """Name, state and claim of these replicas, of another watchdog's answer."""
    replicas = reply.get("replicas") if isinstance(reply, dict) else None
    found = []
    for name in names:
        one = replicas.get(name) if isinstance(replicas, dict) else None
        if isinstance(one, dict):
            found.append((name, str(one.get("state")), one.get("claims") is True))
    return found
