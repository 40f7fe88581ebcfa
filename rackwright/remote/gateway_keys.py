"""On a gateway: who may come in, as its file has it and as it has been loaded."""

from __future__ import annotations

import fcntl
import hashlib
import json
from pathlib import Path
from typing import Any

from rackwright.remote.gateway_state import ask
from rackwright.remote.items import files, own
from rackwright.remote.state import LOCK

Values = dict[str, Any]


def look(path: Path) -> Values:
    """Digests of the keys that the running gateway knows; none where it has loaded another file."""
    state = ask("GET", "/state")
    if state.get("status") != 200:
        return {"error": str(state.get("error") or state["body"])}
    try:
        content = path.read_bytes()
        keys = [entry["sha256"] for entry in json.loads(content)["keys"]]
    except (OSError, ValueError, LookupError, TypeError) as error:
        return {"error": f"{path} cannot be read ({type(error).__name__})"}
    loaded = state["body"]["loaded"]["keys_sha256"] == hashlib.sha256(content).hexdigest()
    return {"known": keys if loaded else []}


def put(item: Values) -> Values:
    """Write the file where it differs, and have it loaded; it is put back where that is refused.

    A host on which no gateway was deployed is left as it is.
    """
    path = Path(item["key"])
    if not path.parent.is_dir():
        return {"error": "no gateway was deployed here yet"}
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        own.refuse_foreign(item)
        before = files.saved(path)
        files.make_file(item)
        said = ask("POST", "/load")
        if "error" in said:
            return {"error": f"{said['error']}; it has the keys when it starts"}
        if said["status"] != 200:
            files.put_back(path, before)
            return {"error": f"the gateway refused the keys: {said['body']}"}
    return {"loaded": said["body"]}


def main(request: Values) -> Values:
    """``do`` is put or look; ``item`` the file as ``desired.items.payload`` has it."""
    if request["do"] == "look":
        return look(Path(request["item"]["key"]))
    try:
        return put(request["item"])
    except OSError as failure:
        return {"error": str(failure)}
