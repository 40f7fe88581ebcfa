"""A server's quarantine: a file that the watchdog makes, or an operator; while it is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = "quarantine.json"
MOST_BYTES = 1 << 20

Values = dict[str, Any]


def quarantine(folder: str) -> Values:
    """``there``, and what the file in the watchdog's folder says: why, since, by, gpus, evidence.

    One that is broken is a quarantine too.
    """
    try:
        with Path(folder, FILE).open("rb") as file:
            text = file.read(MOST_BYTES)
    except FileNotFoundError:
        return {"there": False}
    except OSError as error:
        return {"there": True, "why": f"{FILE} cannot be read: {error}"}
    return {**_told(text), "there": True}


def _told(text: bytes) -> Values:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        return {"why": f"{FILE} cannot be read: {error}"}
    return told if isinstance(told, dict) else {"why": f"{FILE} is no object"}
