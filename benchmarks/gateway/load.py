"""What wrk measures of a door: requests a second, and how long each takes."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gateway.doors import OTHER_CORE, Door
from benchmarks.gateway.processes import cpu_s
from lab.errors import LabError
from lab.fleet import CACHE
from lab.keeping import kept
from lab.local_nginx import local_nginx, unpack

SCRIPT = Path(__file__).with_name("requests.lua")
KIB = 1024


@dataclass(frozen=True)
class Load:
    """``pause_ms`` lies between an answer and the connection's next request."""

    name: str
    body_bytes: int
    connections: int
    seconds: int
    pause_ms: int = 0
    stream: bool = False


BODIES = (2 * KIB, 120 * KIB, 2048 * KIB)
FULL, LIGHT, IDLE, STREAMS = "full", "light", "idle", "streams"


def loads(seconds: int) -> list[Load]:
    """As many requests as fit, of each size; a few at a time; a few now and then; whole streams."""
    return [
        *(Load(FULL, size, 32, seconds) for size in BODIES),
        *(Load(LIGHT, size, 2, seconds) for size in BODIES),
        Load(IDLE, BODIES[0], 2, seconds, pause_ms=5),
        Load(STREAMS, KIB, 32, seconds, stream=True),
    ]


def measured(door: Door, load: Load) -> dict[str, Any]:
    """One run of wrk: a row. LabError where a request failed: there is no figure then."""
    before = cpu_s(door.session) if door.session else 0.0
    said = _wrk(door, load)
    used_s = cpu_s(door.session) - before if door.session else 0.0
    if said["failed"] or not said["requests"]:
        raise LabError(f"{door.name}: {said['failed']} requests of {load} failed: {said}")
    return {
        "door": door.name,
        "load": load.name,
        "body_bytes": load.body_bytes,
        "requests_per_s": round(said["requests"] / said["seconds"], 1),
        "p50_ms": said["p50_us"] / 1e3,
        "p99_ms": said["p99_us"] / 1e3,
        "door_busy": round(used_s / said["seconds"], 3),
        "requests_per_cpu_s": round(said["requests"] / used_s, 1) if used_s else None,
    }


def _wrk(door: Door, load: Load) -> dict[str, Any]:
    environment = {
        "LD_LIBRARY_PATH": local_nginx().environment["LD_LIBRARY_PATH"],
        "BODY_BYTES": str(load.body_bytes),
        "PAUSE_MS": str(load.pause_ms),
        "STREAM": "yes" if load.stream else "no",
        "KEY": door.key,
    }
    argv = ["taskset", "-c", str(OTHER_CORE), _program(), "-t1", "-s", str(SCRIPT)]
    argv += [f"-c{load.connections}", f"-d{load.seconds}s", "--timeout", "30s", door.url]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"wrk: {done.stderr or done.stdout}")
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def _program() -> str:
    """wrk: the machine's own, else this release's package, unpacked into the cache."""
    if installed := shutil.which("wrk"):
        return installed
    unpacked = kept(CACHE / "wrk", lambda folder: unpack(folder, ["wrk"]))
    return str(unpacked / "usr/bin/wrk")
