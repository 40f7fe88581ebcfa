"""What each replica's process on this server takes for itself: the port it listens at, its GPUs."""

from __future__ import annotations

import re
from pathlib import Path

from rackwright.remote.host.environment_file import unquoted
from rackwright.remote.items import turns

PORT = re.compile(r"^ExecStartPost=\S+/await-ready \S+ (\d+) \S+ \d+$", re.MULTILINE)
"""One whose answers come from another server's process ends with ``elsewhere``, and has no port."""
ENVIRONMENT = re.compile(r"^EnvironmentFile=(.+)$", re.MULTILINE)
GPUS = re.compile(r"^CUDA_VISIBLE_DEVICES=(.+)$", re.MULTILINE)


def places_on_server(folder: Path, pattern: str) -> dict[str, list[str]]:
    """By the names of replicas that have a unit here; ``pattern`` is of units, ``ours-*.service``.

    One that was changed and never proven has those of its way back too: it may be put back there.
    """
    prefix, _, end = pattern.partition("*")
    found = {}
    for unit in sorted(turns.UNITS.glob(pattern)):
        name = unit.name[len(prefix) : -len(end)]
        text = _text(unit)
        named = ENVIRONMENT.search(text)
        text += _text(Path(named[1])) if named else ""
        if turns.mark_of(folder, name).get("changed"):
            back = turns.kept_environment(folder, name)
            text += _text(back.with_name("unit")) + _text(back)
        found[name] = places_of(text)
    return found


def _text(path: Path) -> str:
    try:
        return f"{path.read_text(errors='replace')}\n"
    except OSError:
        return ""


def places_of(text: str) -> list[str]:
    """By the text of a unit's file and of its environment's."""
    ports = [f"port {port}" for port in PORT.findall(text)]
    named = [gpu for value in GPUS.findall(text) for gpu in unquoted(value).split(",") if gpu]
    return list(dict.fromkeys([*ports, *(f"GPU {gpu}" for gpu in named)]))
