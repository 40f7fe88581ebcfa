"""On the host: what its GPUs and replicas do right now. Judges nothing, asks for no completion.

``probe`` (``rackwright/probe.py``) is carried along, as nvidia-ml-py is.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from typing import Any

TIMEOUT_S = 2
MOST_BYTES = 4 << 20
SAMPLE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{.*\})? (\S+)")
"""A line of Prometheus' text format: name, labels, value."""

Values = dict[str, Any]


def states(units: list[str]) -> dict[str, str]:
    """What systemd calls each unit: active, activating, failed, inactive, ..."""
    argv = ["systemctl", "show", "--property", "Id,ActiveState", *units]
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    except OSError:
        return {}
    blocks = (block.splitlines() for block in done.stdout.split("\n\n"))
    pairs = [dict(line.split("=", 1) for line in block if "=" in line) for block in blocks]
    return {one["Id"]: one["ActiveState"] for one in pairs if "Id" in one and "ActiveState" in one}


def answer(asked: Values) -> Values:
    """One replica's HTTP status, and the values of the metrics asked for (one a set of labels)."""
    connection = HTTPConnection(asked["address"], asked["port"], timeout=TIMEOUT_S)
    try:
        connection.request("GET", asked["path"])
        reply = connection.getresponse()
        text = reply.read(MOST_BYTES).decode(errors="replace")
    except (OSError, HTTPException, ValueError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        connection.close()
    return {"status": reply.status, "metrics": metrics(text, set(asked["metrics"]))}


def metrics(text: str, names: set[str]) -> dict[str, list[float]]:
    """The samples of these names in Prometheus' text format."""
    found: dict[str, list[float]] = {}
    for line in text.splitlines():
        sample = SAMPLE.match(line)
        if sample and sample[1] in names:
            try:
                value = float(sample[2])
            except ValueError:
                continue
            found.setdefault(sample[1], []).append(value)
    return found


def replica(asked: Values) -> Values:
    """What one replica answers; nothing of a later server of a replica that spans several."""
    return answer(asked) if asked["answers"] else {}


def main(replicas: list[Values]) -> Values:
    """``replicas`` as ``runner/watching.py`` asks. They are asked side by side."""
    with ThreadPoolExecutor(max_workers=16) as side_by_side:
        answers = list(side_by_side.map(replica, replicas))
    known = states([asked["unit"] for asked in replicas]) if replicas else {}
    return {
        **importlib.import_module("probe").glance(),
        "time_unix_s": time.time(),
        "replicas": {
            asked["name"]: {"unit": known.get(asked["unit"]), **answers[index]}
            for index, asked in enumerate(replicas)
        },
    }
