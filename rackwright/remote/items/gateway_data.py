"""What a running gateway has loaded of its data files; it reads them again when it is told to."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rackwright.remote.host.digests import sha256_hex
from rackwright.remote.host.gateway_socket import ask
from rackwright.remote.host.running import Failed
from rackwright.remote.host.systemd import show
from rackwright.remote.items.files import put_back

PATIENCE_S = 20.0
"""After a reload Nginx opens a new socket on its own time."""
POLL_S = 0.2

Values = dict[str, Any]


def seen(query: Values) -> Values:
    """Digests of what is loaded, and of the files as they are; nothing where nobody answers."""
    try:
        status, state = ask(query["key"], "GET", "/state")
        loaded = state["loaded"] if status == 200 else None
    except (OSError, KeyError, TypeError):
        return {}
    if not isinstance(loaded, dict):
        return {}
    return {"loaded": loaded, "files": {name: _digest(p) for name, p in query["files"].items()}}


def _digest(path: str) -> str | None:
    file = Path(path)
    return sha256_hex(file.read_bytes()) if file.is_file() else None


def make(loads: Sequence[Values], before: Mapping[str, Values | None]) -> None:
    """Have each read again. Files of this run that it refuses are put back, and are an error."""
    for load in loads:
        if _activity(load["unit"]) not in ("active", "reloading"):
            continue  # it reads them as it starts, and is waited for
        status, answer = _asked(load)
        if status == 200:
            continue
        for path in load["files"].values():
            if path in before:
                put_back(Path(path), before[path])
        why = answer.get("error", answer) if isinstance(answer, dict) else answer
        raise Failed(f"the gateway refuses its data and goes on with what it has: {str(why)[:500]}")


def _activity(unit: str) -> str:
    return show("ActiveState", unit)[0].get("ActiveState", "")


def _asked(load: Values) -> tuple[int, Any]:
    """The answer, of a socket that may not be there yet."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask(load["key"], "POST", "/load")
        except OSError as error:
            if time.monotonic() > until:
                raise Failed(f"{load['key']}: {error}; see journalctl -u {load['unit']}") from None
        time.sleep(POLL_S)
