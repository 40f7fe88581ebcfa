"""This machine while it is swept: deploys to it, its units, their logs, its GPUs' memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
POLL_S = 0.5


def deploy(inventory: Path, stages: str, log: Path, limit_s: float) -> str:
    """Run a deploy; empty when it ended well, else in a few words how it did not."""
    argv = [str(BIN / "pyinfra"), str(inventory), "deploy.py", "-y", "--data", f"stages={stages}"]
    with log.open("wb") as output:
        running = subprocess.Popen(argv, cwd=ROOT, stdout=output, stderr=output,
                                   stdin=subprocess.DEVNULL, start_new_session=True)  # fmt: skip
        try:
            code = running.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
            return f"the deploy was not done within {limit_s:.0f} s"
    return f"the deploy ended with exit code {code}" if code else ""


def settled(units: Sequence[str], until: float) -> dict[str, bool]:
    """Whether each unit is active, once all are, or have failed, or the time is up."""
    while True:
        states = {unit: state(unit) for unit in units}
        if "starting" not in states.values() or time.monotonic() > until:
            return {unit: state == "active" for unit, state in states.items()}
        time.sleep(POLL_S)


def state(unit: str) -> str:
    """``active``, ``starting``, or ``failed``: also one that systemd has started again."""
    shown = show(unit, "ActiveState", "NRestarts")
    if shown["ActiveState"] == "activating" and shown["NRestarts"] in ("0", ""):
        return "starting"
    return "active" if shown["ActiveState"] == "active" else "failed"


def show(unit: str, *properties: str) -> dict[str, str]:
    """Properties of a unit, as systemd prints them."""
    said = output("systemctl", "show", unit, *(f"--property={name}" for name in properties))
    pairs = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    return {name: pairs.get(name, "") for name in properties}


def ready_s(unit: str) -> float | None:
    """Seconds from the start of a unit's process until it served."""
    names = ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    started, active = (int(value or 0) for value in show(unit, *names).values())
    return round((active - started) / 1e6, 1) if active > started else None


def journal(unit: str, since: float) -> str:
    """What a unit has said since that time (of the clock)."""
    return output("journalctl", "-u", unit, f"--since=@{since:.0f}", "-o", "cat", "--no-pager")


def stop(unit: str) -> None:
    """End a unit that would go on starting."""
    output("systemctl", "stop", unit)


def release(engine: str) -> str:
    """The live release of an engine: its version and the digest of its lock."""
    link = Path("/opt/rackwright", engine, "current")
    return link.readlink().name if link.is_symlink() else ""


def metrics(address: str) -> str:
    """An engine's metrics; empty where it gives none."""
    try:
        return httpx.get(f"http://{address}/metrics", timeout=10).raise_for_status().text
    except httpx.HTTPError:
        return ""


def gpu_memory_gib() -> list[float]:
    """What is used of each GPU's memory; empty without nvidia-smi."""
    query = ("--query-gpu=memory.used", "--format=csv,noheader,nounits")
    return [round(int(used) / 1024, 2) for used in output("nvidia-smi", *query).split()]


def output(*argv: str) -> str:
    """What a command prints; empty where it is not there or prints nothing."""
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
