"""What each replica's process on this server takes for itself: the port it listens at, its GPUs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from rackwright.remote.host.environment_file import assignments, unquoted
from rackwright.remote.items import turns

Values = dict[str, Any]
LISTENS = re.compile(r"^ExecStartPost=\S+/await-ready \S+ (\d+) \S+ \d+$", re.MULTILINE)
"""One whose answers come from another server's process ends with ``elsewhere``, and has no port."""
ENVIRONMENT = re.compile(r"^EnvironmentFile=(.+)$", re.MULTILINE)
GPUS = "CUDA_VISIBLE_DEVICES"


def places_on_server(folder: Path, pattern: str) -> dict[str, list[str]]:
    """By the names of replicas that have a unit here; ``pattern`` is of units, ``ours-*.service``.

    One that was changed and never proven has those of its way back too: it may be put back there.
    """
    prefix, _, end = pattern.partition("*")
    found = {}
    for unit in sorted(turns.UNITS.glob(pattern)):
        name = unit.name[len(prefix) : -len(end)]
        places = _places_by(unit, None)
        if turns.mark_of(folder, name).get("changed"):
            back = turns.kept_environment(folder, name)
            places += _places_by(back.with_name("unit"), back)
        found[name] = list(dict.fromkeys(places))
    return found


def _places_by(unit: Path, environment: Path | None) -> list[str]:
    try:
        text = unit.read_text(errors="replace")
    except OSError:
        return []
    if environment is None and (named := ENVIRONMENT.search(text)):
        environment = Path(named[1])
    values = dict(assignments(str(environment))) if environment else {}
    return places_of(text, unquoted(values.get(GPUS, "")))


def places_of(unit: str, gpus: str) -> list[str]:
    """By a unit's text, and the GPUs that its environment shows it."""
    ports = [f"port {port}" for port in LISTENS.findall(unit)]
    return [*ports, *(f"GPU {gpu}" for gpu in gpus.split(",") if gpu)]
