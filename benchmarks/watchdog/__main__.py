"""`python -m benchmarks.watchdog --minutes 60`: long prompts all the time, then a real hang.

The watchdog is the program that hosts have, in a process of its own; the engine and systemd are
stood in for. It needs no root and no lab.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from lab.ports import free_port
from rackwright.runner.watchdog import packed

STAND_IN = Path(__file__).with_name("stand_in_engine.py")
SYSTEMCTL = """#!/bin/sh
case $1 in
show) printf 'ActiveState=active\\nInvocationID=one\\nControlGroup=\\nMainPID=1\\n';;
*) echo "$@" >> "$(dirname "$0")/acts";;
esac
"""
NAME, SEED, LOOK_S = "chat-gpu1-0", 7, 1.0
LONGEST = 0.97
"""Of the time that the plan explains: what the longest prompt takes."""


def config(folder: Path, port: int, engine: int, stall_s: float) -> dict[str, Any]:
    """What the plan would say."""
    replica = {
        "name": NAME,
        "service": "chat",
        "unit": f"rackwright-{NAME}.service",
        "address": "127.0.0.1",
        "port": engine,
        "health_path": "/health",
        "metrics_path": "/metrics",
        "figures": {
            "requests_running": ["vllm:num_requests_running", ""],
            "tokens_generated": ["vllm:generation_tokens_total", ""],
        },
        "canary": {"path": "/v1/chat/completions", "body": {"tokens": 1}},
        "key_variable": None,
        "environment_path": "/nowhere",
        "stall_s": stall_s,
        "step_s": stall_s,
        "start_s": 60,
        "ranks": [],
    }
    return {
        "host": "gpu1",
        "address": "127.0.0.1",
        "port": port,
        "state_dir": str(folder),
        "restarts_an_hour": 3,
        "replicas": [replica],
        "peers": {},
        "ranks": [],
        "gpus": [],
        "fatal_xids": {},
        "fatal_by_text": {},
    }


def client(port: int, longest_s: float, chance: random.Random, prompts: list[float]) -> None:
    """Asks one long prompt after another, until the engine is taken away."""
    with suppress(OSError, HTTPException):
        while True:
            prompts.append(chance.uniform(longest_s / 2, longest_s))
            body = json.dumps({"first_token_s": prompts[-1], "tokens": 4})
            connection = HTTPConnection("127.0.0.1", port)
            connection.request("POST", "/v1/completions", body)
            connection.getresponse().read()


def state(port: int) -> str:
    """Of the replica, as the watchdog's page says it."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", "/state")
    said = json.loads(connection.getresponse().read())
    return str(said["replicas"][NAME]["state"])


@contextmanager
def running(*argv: str, **more: Any) -> Iterator[None]:
    """A process until the end of the block."""
    with subprocess.Popen(argv, **more) as process:
        try:
            yield
        finally:
            process.kill()


@contextmanager
def watched(folder: Path, engine: int, stall_s: float) -> Iterator[int]:
    """Engine and watchdog; the port of its page."""
    port = free_port()
    (folder / "watchdog").mkdir()
    (folder / "systemctl").write_text(SYSTEMCTL)
    (folder / "systemctl").chmod(0o755)
    (folder / "program").write_bytes(packed())
    (folder / "config.json").write_text(json.dumps(config(folder, port, engine, stall_s)))
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    argv = (sys.executable, "-IB", str(folder / "program"), str(folder / "config.json"))
    with running(sys.executable, str(STAND_IN), str(engine)):
        time.sleep(2)
        with running(*argv, env=environment):
            time.sleep(4)
            yield port


def measured(minutes: float, stall_s: float, clients: int) -> dict[str, Any]:
    """How often the replica was in which state, what was restarted, and when a hang was found."""
    chance, prompts, engine = random.Random(SEED), list[float](), free_port()
    with tempfile.TemporaryDirectory() as place, watched(Path(place), engine, stall_s) as port:
        for _ in range(clients):
            arguments = (engine, LONGEST * stall_s, chance, prompts)
            threading.Thread(target=client, args=arguments, daemon=True).start()
        seen, end_s = Counter[str](), time.monotonic() + minutes * 60
        while time.monotonic() < end_s:
            seen[state(port)] += 1
            time.sleep(LOOK_S)
        acts = Path(place) / "acts"
        restarts = acts.read_text().count("restart") if acts.exists() else 0
        connection = HTTPConnection("127.0.0.1", engine)
        connection.request("GET", "/hang")
        connection.getresponse().read()
        hung_s = time.monotonic()
        while state(port) not in ("out", "restarting"):
            time.sleep(LOOK_S)
        found_s = time.monotonic() - hung_s
    return {
        "minutes": minutes,
        "longest_prompt_explained_s": stall_s,
        "prompts": len(prompts),
        "states_seen": dict(seen),
        "false_restarts": restarts,
        "hang_found_after_s": round(found_s, 1),
    }


def main() -> int:
    """Print the figures as JSON; 1 where something was restarted that was well."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watchdog", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--stall-s", type=float, default=180, help="what the plan would explain")
    parser.add_argument("--clients", type=int, default=4)
    given = parser.parse_args()
    found = measured(given.minutes, given.stall_s, given.clients)
    print(json.dumps(found, indent=1))
    return 1 if found["false_restarts"] else 0


if __name__ == "__main__":
    sys.exit(main())
