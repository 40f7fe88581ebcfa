"""Servers on one core, with nothing of this machine's environment, and their CPU time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError

END_S = 10
_TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def running(
    argv: Sequence[str], folder: Path, core: int, environment: Mapping[str, str]
) -> Iterator[int]:
    """Run a server on one core, in a session of its own; its process id, which is the session's.

    What it says goes to ``log`` in its folder. It has no home and no credentials of this machine:
    what is measured here was made by others.
    """
    plain = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **environment}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *argv],
            env=plain, stdout=log, stderr=log, cwd=folder, start_new_session=True,
        )  # fmt: skip
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def cpu_s(session: int) -> float:
    """Seconds of CPU that the living processes of a session have used."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[3]) == session:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def wait_for_port(port: int, limit_s: float, log: Path) -> None:
    """Until something listens there; LabError with the end of its log when nothing does in time."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise LabError(f"nothing listens on port {port}: {log.read_text()[-2000:]}")
