"""On a gateway: engines' keys that it is to know beside the one that it has, during a change."""

from __future__ import annotations

import fcntl
import json
import time
from pathlib import Path
from typing import Any

from rackwright.remote.host.gateway_socket import ask
from rackwright.remote.host.running import run
from rackwright.remote.host.systemd import show
from rackwright.remote.items.files import put_back, saved, write
from rackwright.remote.served.key_id import key_id
from rackwright.remote.state import LOCK

PATIENCE_S = 30.0
"""After a reload new workers answer on their own time."""
POLL_S = 0.2
Values = dict[str, Any]
NO_GATEWAY = (FileNotFoundError, ConnectionRefusedError)


def main(request: Values) -> Values:
    """Learn ``keys``, each by its id; the key of a replica that has none in its entry stays.

    ``awaited``: until its workers know them. ``error`` is in words. Nothing is done where no
    gateway was deployed.
    """
    path = Path(request["path"])
    try:
        with LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept = saved(path)
            return {} if kept is None else _learned(path, kept, request)
    except (OSError, ValueError) as failure:
        return {"error": f"{path}: {_words(failure)}"}


def _learned(path: Path, kept: Values, request: Values) -> Values:
    secrets = json.loads(kept["content"])
    known = keys_of(secrets)
    wanted = {key_id(key): key for key in request["keys"] if key}
    if not wanted.keys() <= known.keys():
        secrets["engine_keys"] = known | wanted
        content = f"{json.dumps(secrets, indent=1)}\n".encode()
        write(path, content, kept["uid"], kept["gid"], 0o600)
        try:
            run("nginx", "-t", "-q")
        except OSError:
            put_back(path, kept)
            raise
    elif set(wanted) <= {key_id(str(secrets.get("engine") or ""))}:
        return {}
    return _loaded(request["socket"], set(wanted)) if request["awaited"] else _reloaded()


def keys_of(secrets: Values) -> dict[str, str]:
    """Every key of engines that a gateway's file has, by its id."""
    own = str(secrets.get("engine") or "")
    return {**({key_id(own): own} if own else {}), **(secrets.get("engine_keys") or {})}


def _reloaded() -> Values:
    """One that does not run yet reads them as it starts."""
    if show("ActiveState", "nginx.service")[0].get("ActiveState") == "active":
        run("systemctl", "reload", "nginx.service")
    return {}


def _loaded(socket: str, wanted: set[str]) -> Values:
    """Once the workers that answer know them. One that does not run reads them as it starts."""
    until, reloaded = time.monotonic() + PATIENCE_S, False
    while time.monotonic() < until:
        try:
            _, state = ask(socket, "GET", "/state")
        except NO_GATEWAY:
            return {}
        if wanted <= set(state["loaded"].get("engine_keys", "").split()):
            return {}
        if not reloaded:
            run("systemctl", "reload", "nginx.service")
            reloaded = True
        time.sleep(POLL_S)
    words = "it was reloaded, and does not know the engines' new key: run the stage gateway first"
    return {"error": words}


def _words(failure: Exception) -> str:
    """A file that is no JSON is not shown: it has keys."""
    return str(failure) if isinstance(failure, OSError) else "is no JSON"
