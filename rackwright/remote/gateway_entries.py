"""On a gateway: the entry of one replica in its data, put or taken away between two deploys.

A deploy writes the whole file again; a replica that moves to another port, or that leaves, cannot
wait for that.
"""

from __future__ import annotations

import fcntl
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from rackwright.remote.host.gateway_socket import ask
from rackwright.remote.items.files import put_back, saved, write
from rackwright.remote.state import LOCK

Values = dict[str, Any]
NO_GATEWAY = (FileNotFoundError, ConnectionRefusedError)


def main(request: Values) -> Values:
    """``before``: the replica's entry until now, or null; ``skipped`` where no gateway runs here.

    ``entry`` null takes it away. A service that the gateway does not know has no entries.
    ``router`` is the name of the service's router, or null. With ``look`` nothing is changed.
    """
    path, entry = Path(request["path"]), request["entry"]
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = saved(path)
        if kept is None:
            return {"skipped": "it has no data yet"}
        data = json.loads(kept["content"])
        service = data.get("services", {}).get(request["service"])
        if service is None:
            return {"skipped": "it does not know the service"}
        place = _place(service, request["router"])
        if place is None:
            return {"skipped": "its data tell of no replicas behind a router yet"}
        before = next((one for one in service[place] if one["name"] == request["name"]), None)
        if request["look"]:
            return {"before": before}
        if entry and before and _same_place(before, entry):
            entry = _with_key_of(before, entry)
        if before == entry:  # of a run that may have ended before it was loaded
            return _loaded(request["socket"], path, kept, before)
        service[place] = list(_changed(service[place], request["name"], entry))
        write(path, _text(data), kept["uid"], kept["gid"], kept["mode"])
        return _loaded(request["socket"], path, kept, before)


def _place(service: Values, router: str | None) -> str | None:
    """Where its own replicas stand: behind its router, if it has one."""
    if "behind" in service:
        return "behind"
    return None if any(one["name"] == router for one in service["replicas"]) else "replicas"


def _same_place(before: Values, entry: Values) -> bool:
    """What it takes and its share are for a deploy to say: they depend on the others."""
    return (before["host"], before["port"]) == (entry["host"], entry["port"])


def _with_key_of(before: Values, entry: Values) -> Values:
    own = {"key": entry["key"]} if "key" in entry else {}
    return {**{name: value for name, value in before.items() if name != "key"}, **own}


def _changed(replicas: list[Values], name: str, entry: Values | None) -> list[Values]:
    others = [one for one in replicas if one["name"] != name]
    return others if entry is None else [*others, entry]


def _text(data: Values) -> bytes:
    return (json.dumps(data, indent=1) + "\n").encode()


def _loaded(socket: str, path: Path, kept: Values, before: Values | None) -> Values:
    """Read by the gateway, or put back where it refuses. One that starts later reads it then."""
    try:
        status, said = _load(socket)
    except NO_GATEWAY:
        return {"before": before}
    except OSError as error:
        put_back(path, kept)
        with suppress(OSError):  # it may have read the other ones all the same
            _load(socket)
        return {"error": f"the gateway gave no answer ({error})"}
    if status != 200:
        put_back(path, kept)
        return {"error": f"the gateway refuses it: {said}"}
    return {"before": before}


def _load(socket: str) -> tuple[int, Any]:
    """Asked again where the answer is lost: to read the same file twice changes nothing."""
    try:
        return ask(socket, "POST", "/load")
    except NO_GATEWAY:
        raise
    except OSError:
        return ask(socket, "POST", "/load")
