"""On the host: what its GPUs and replicas do right now. Judges nothing, asks for no completion."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

from rackwright.remote import glance
from rackwright.remote.host.attempts import attempts
from rackwright.remote.host.quarantine import quarantine
from rackwright.remote.host.systemd import show
from rackwright.remote.served.http import http
from rackwright.remote.served.metrics import figures

ONLY_LOOKS = True

TIMEOUT_S = 2

Values = dict[str, Any]


def states(units: list[str]) -> dict[str, str]:
    """What systemd calls each unit: active, activating, failed, inactive, ...; or ``gave up``."""
    try:
        shown = show("ActiveState", *units)
    except OSError:
        return {}
    return {unit: _state(unit, seen["ActiveState"]) for unit, seen in zip(units, shown) if seen}


def _state(unit: str, active: str) -> str:
    return "gave up" if active == "failed" and attempts(unit).get("gave_up") else active


def answer(asked: Values) -> Values:
    """The HTTP status of a replica's metrics, and the figures asked for."""
    connection = HTTPConnection(asked["address"], asked["port"], timeout=TIMEOUT_S)
    wanted = asked["figures"]
    reply = http(connection, "GET", asked["path"], read=lambda text: figures(text, wanted))
    return reply if "error" in reply else {"status": reply["status"], "figures": reply["body"]}


def replica(asked: Values) -> Values:
    """What a replica's metrics tell; nothing where it has none (``path``), or answers elsewhere."""
    return answer(asked) if asked["path"] else {}


def main(replicas: list[Values], watchdog: str | None = None) -> Values:
    """``replicas`` as ``commands/watch.py`` asks, side by side; ``watchdog`` is its folder."""
    with ThreadPoolExecutor(max_workers=16) as side_by_side:
        answers = list(side_by_side.map(replica, replicas))
    known = states([asked["unit"] for asked in replicas]) if replicas else {}
    return {
        **glance.main(),
        "time_unix_s": time.time(),
        "quarantine": quarantine(watchdog) if watchdog else None,
        "replicas": {
            asked["name"]: {"unit": known.get(asked["unit"]), **answers[index]}
            for index, asked in enumerate(replicas)
        },
    }
