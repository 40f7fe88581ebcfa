"""On a server: one replica's step, as ``runner/steps`` takes it stage by stage."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

from rackwright.remote.host.environment_file import assignments, unquoted
from rackwright.remote.host.running import run
from rackwright.remote.items import turns
from rackwright.remote.items.places import places_on_server
from rackwright.remote.served.key_id import key_id
from rackwright.remote.state import LOCK

Values = dict[str, Any]


def _note(folder: Path, asked: Values) -> Values:
    """Where the step is. Where something of ``needs`` (paths) is not there, none begins."""
    missing = [path for path in asked.get("needs", ()) if not Path(path).exists()]
    return {"missing": missing} if missing else turns.note(folder, asked)


def _keep(folder: Path, asked: Values) -> Values:
    turns.keep(folder, asked)
    return {}


def _stop(folder: Path, asked: Values) -> Values:
    """Its process ends, after the requests that it has; where no unit is there yet, none runs."""
    if (turns.UNITS / asked["unit"]).exists():
        run("systemctl", "stop", asked["unit"])
    return {}


def _restart(folder: Path, asked: Values) -> Values:
    turns.restart(asked["unit"])
    return {}


def _restore(folder: Path, asked: Values) -> Values:
    turns.restore(folder, asked)
    return {}


def _end(folder: Path, asked: Values) -> Values:
    turns.end(folder, asked["replica"], asked["owner"])
    return {}


def _forget(folder: Path, asked: Values) -> Values:
    turns.forget(folder, asked)
    return {}


def _look(folder: Path, asked: Values) -> Values:
    """Where each of ``replicas`` listened before; null where there is no way back."""
    return {name: turns.before_of(folder, name) for name in asked["replicas"]}


def _held(folder: Path, asked: Values) -> Values:
    """Whose step is under way, where it is another's and its time is not up."""
    return turns.held(folder, asked["replica"], asked["owner"])


def _key_id(folder: Path, asked: Values) -> Values:
    """By ``variable`` of its environment file: which key it takes; empty where it asks for none."""
    return {"id": key_id(_value(asked["environment"], asked["variable"]))}


def _former_key(folder: Path, asked: Values) -> Values:
    """The key of what it ran before: gateways must know it before that runs again."""
    kept = turns.kept_environment(folder, asked["replica"])
    return {"key": _value(str(kept), asked["variable"])}


def _places(folder: Path, asked: Values) -> Values:
    """What the units of replicas here take, by the replicas' names."""
    return places_on_server(folder, asked["pattern"])


def _value(path: str, variable: str) -> str:
    return unquoted(dict(assignments(path)).get(variable, ""))


DOES = {
    "held": _held,
    "note": _note,
    "keep": _keep,
    "stop": _stop,
    "restart": _restart,
    "restore": _restore,
    "end": _end,
    "forget": _forget,
    "look": _look,
    "key id": _key_id,
    "former key": _former_key,
    "places": _places,
}
LOOKS = ("held", "look", "key id", "former key", "places")


def main(request: Values) -> Values:
    """One of ``DOES``, alone on this host; ``{"error": words}`` where it is not done."""
    try:
        if request["do"] in (*LOOKS, "stop"):
            return DOES[request["do"]](Path(request["folder"]), request)
        with LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return DOES[request["do"]](Path(request["folder"]), request)
    except OSError as failure:
        return {"error": str(failure)}
