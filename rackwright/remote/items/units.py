"""Units of systemd: enabled, and restarted or reloaded when what they run from changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rackwright.remote.host.digests import sha256_hex
from rackwright.remote.host.running import run
from rackwright.remote.host.systemd import SHARED, show
from rackwright.remote.items import stamps
from rackwright.remote.items.files import put_back

KNOWN = ("loaded", "masked")

Values = dict[str, Any]


def seen_of(units: Sequence[Values]) -> dict[str, Values]:
    """What systemd says of the units that it has loaded, by name."""
    if not units:
        return {}
    shown = show(SHARED, *(unit["key"] for unit in units))
    return {
        unit["key"]: _unit(unit, shown[index])
        for index, unit in enumerate(units)
        if shown[index].get("LoadState") in KNOWN
    }


def _unit(unit: Values, seen: dict[str, str]) -> Values:
    return {
        "active": _activity(seen),
        "enabled": _masked(seen) or seen["UnitFileState"],
        "reload_daemon": seen["NeedDaemonReload"] == "yes",
        "restarts": int(seen.get("NRestarts") or 0),
        "result": seen.get("Result", ""),
        "stamp": _read_stamp(unit),
    }


def _activity(seen: dict[str, str]) -> str:
    """The state; but a unit whose restart still waits its turn is active only as it was."""
    waits = seen.get("Job", "") not in ("", "0")
    return "activating" if waits and seen["ActiveState"] == "active" else seen["ActiveState"]


def _masked(seen: dict[str, str]) -> str:
    """Of one that is not to be started by anybody; its state says for how long."""
    return "masked" if seen["LoadState"] == "masked" else ""


def _read_stamp(unit: Values) -> Values:
    """What the unit was last started with; without "reload" where it loaded other certificates."""
    try:
        stamp = json.loads(stamps.read(f"{unit['key']}.json"))
    except ValueError:
        return {}
    if not isinstance(stamp, dict):
        return {}
    if stamp.pop("loaded", {}) != _loaded(unit):
        stamp.pop("reload", None)
    return stamp


def _loaded(unit: Values) -> dict[str, str]:
    """Digests of the certificates a unit loads: made here, so nobody else knows them."""
    paths = [Path(path) for path in unit.get("loads", [])]
    return {str(p): sha256_hex(p.read_bytes()) for p in paths if p.is_file()}


def make(units: Sequence[Values], before: Mapping[str, Values | None]) -> None:
    """All of them enabled, then each brought up; none where a configuration is refused."""
    if not units:
        return
    run("systemctl", "daemon-reload")
    seen = _unmasked(units)
    for unit in units:
        _validate(unit, before)
    run("systemctl", "enable", "--quiet", *[unit["key"] for unit in units])
    _stop_starting(units, seen)
    for unit in units:
        _bring_up(unit, seen.get(unit["key"], {}))


def _unmasked(units: Sequence[Values]) -> dict[str, Values]:
    """What systemd says of them, once none is masked any more; until then it loads none."""
    seen = seen_of(units)
    masked = [unit["key"] for unit in units if seen.get(unit["key"], {}).get("enabled") == "masked"]
    if not masked:
        return seen
    run("systemctl", "unmask", "--quiet", *masked)
    run("systemctl", "unmask", "--quiet", "--runtime", *masked)
    return seen_of(units)


def _stop_starting(units: Sequence[Values], seen: Mapping[str, Values]) -> None:
    """Of several that are started anew none while another still has what it takes.

    One that fails and tries again may have a port or a GPU that is another's from now on.
    """
    anew = [u["key"] for u in units if _action(seen.get(u["key"], {}), u["stamp"]) == "restart"]
    starting = [key for key in anew if seen.get(key, {}).get("active") == "activating"]
    if starting and len(anew) > 1:
        run("systemctl", "stop", *starting)


def _bring_up(unit: Values, seen: Values) -> None:
    """A reload is over in a moment and may fail; a restart takes minutes and is polled for.

    Old failures are forgotten first, so that a restart counted after this one is a new failure.
    """
    action = _action(seen, unit["stamp"])
    if action == "restart":
        run("systemctl", "reset-failed", unit["key"])
        run("systemctl", "--no-block", "restart", unit["key"])
    elif action == "reload":
        run("systemctl", "reload", unit["key"])
    if action:
        _stamp(unit)


def _action(seen: Values, stamp: dict[str, str]) -> str | None:
    old = seen.get("stamp", {})
    if seen.get("active") in (None, "inactive", "failed", "deactivating"):
        return "restart"
    if old.get("restart", "") != stamp["restart"]:
        return "restart"
    if old.get("reload", "") != stamp["reload"]:
        return "reload"
    return None


def _validate(unit: Values, before: Mapping[str, Values | None]) -> None:
    if not unit["validate"]:
        return
    try:
        run(*unit["validate"])
    except OSError:
        for path in unit["guarded"]:
            if path in before:
                put_back(Path(path), before[path])
        raise


def _stamp(unit: Values) -> None:
    stamp = {**unit["stamp"], "loaded": _loaded(unit)}
    stamps.put(f"{unit['key']}.json", json.dumps(stamp))
