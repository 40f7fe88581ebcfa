"""What is kept for the morning of a replica that hung: stacks, journal, GPUs, metrics.

Bounded in size, time and number, and without secrets: command lines and environments of processes
are not among it, and the journal is without the values of the replica's environment file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rackwright.remote.guard.bounded_command import BoundedCommand
from rackwright.remote.guard.nvml import DRIVER, asked_apart
from rackwright.remote.host.journal import entries, field_text
from rackwright.remote.host.processes import all_pids, cgroups_of
from rackwright.remote.served.engine import is_in
from rackwright.remote.starts import HIDDEN, secrets_of

MOST_BYTES, MOST_LINES = 1 << 20, 1000
MOST_PROCESSES, MOST_THREADS = 32, 64
MOST_FOLDERS = 20
COMMAND_S, ALL_S = 10.0, 30.0
PY_SPY = BoundedCommand()
PROC = Path("/proc")
PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Values = dict[str, Any]


class Case:
    """A folder of evidence: ``NAME-TIME``, for root alone. Nothing that fails ends it."""

    def __init__(self, folder: Path, name: str, why: str) -> None:
        """Make it, and say in it why."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self.path = folder / f"{name}-{stamp}"
        self._end_s = time.monotonic() + ALL_S
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.keep("why.txt", lambda: f"{stamp} {name}: {why}\n")

    def keep_each(self, name: str, pids: Sequence[int], text: Callable[[int], str]) -> None:
        """A file of all processes: one that is gone or hangs takes no other's place."""

        def each() -> Iterator[str]:
            for pid in pids:
                if time.monotonic() >= self._end_s:
                    yield "there was no time left\n"
                    return
                try:
                    yield text(pid)
                except (OSError, subprocess.TimeoutExpired) as error:
                    yield f"== process {pid}\n{type(error).__name__}: {error}"

        self.keep(name, lambda: "\n".join(each()))

    def keep(self, name: str, text: Callable[[], str]) -> None:
        """One file of it; in place of what could not be had, why not."""
        try:
            words = text() if time.monotonic() < self._end_s else "there was no time left\n"
        except Exception as error:
            words = f"{type(error).__name__}: {error}\n"
        with suppress(OSError):
            handle = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(words.encode(errors="replace")[:MOST_BYTES])


def of_replica(folder: Path, asked: Values, why: str, metrics: str) -> Path:
    """Evidence of one that hangs, while it hangs."""
    case = Case(folder, asked["name"], why)
    forget_oldest(folder)
    pids = pids_of(asked.get("control_group") or "")
    case.keep_each("processes.txt", pids, process)
    case.keep("metrics.txt", lambda: metrics)
    case.keep("journal.txt", lambda: journal(asked["unit"], asked["environment_path"]))
    case.keep_each("py-spy.txt", pids, py_spy)
    case.keep("gpus.txt", gpus)  # last: it may hang in the driver
    return case.path


def of_server(folder: Path, why: str, lines: list[str]) -> Path:
    """Evidence of a server that goes into quarantine."""
    case = Case(folder, "quarantine", why)
    forget_oldest(folder)
    case.keep("kernel.txt", lambda: "\n".join(lines))
    case.keep("gpus.txt", gpus)
    return case.path


def pids_of(control_group: str) -> list[int]:
    """The processes of a unit, the first of many."""
    found: list[int] = []
    for pid in sorted(all_pids()):
        with suppress(OSError):
            if is_in(control_group, cgroups_of(pid)):
                found.append(pid)
    return found[:MOST_PROCESSES]


def process(pid: int) -> str:
    """Its threads: what each is, in which state, and where in the kernel it waits."""
    tasks = sorted((PROC / str(pid) / "task").iterdir())[:MOST_THREADS]
    return f"== process {pid}\n" + "\n".join(_thread(task) for task in tasks)


def _thread(task: Path) -> str:
    state = next((w for w in _text(task / "status").splitlines() if w.startswith("State:")), "")
    said = [task.name, _text(task / "comm").strip(), state, f"wchan {_text(task / 'wchan')}"]
    return "  ".join(said) + "\n" + _text(task / "stack")


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        return f"({error.strerror})"


def py_spy(pid: int) -> str:
    """The stacks of a Python process, where py-spy is there; it is never put there by us."""
    program = shutil.which("py-spy", path=PROGRAMS)
    if program is None:
        return "py-spy is not there"
    argv = (program, "dump", "--nonblocking", "--pid", str(pid))
    return f"== process {pid}\n" + _text_of(PY_SPY.output(argv, COMMAND_S))


def gpus() -> str:
    """All that nvidia-smi says; without it what NVML does."""
    program = shutil.which("nvidia-smi", path=PROGRAMS)
    if program is not None:
        return _text_of(DRIVER.output((program, "-q"), COMMAND_S))
    answer = asked_apart()
    return json.dumps({"gpus": answer.gpus, "error": answer.error}, indent=1)


def _text_of(output: bytes) -> str:
    return output.decode(errors="replace")


def journal(unit: str, environment_path: str) -> str:
    """The last lines that the unit wrote."""
    secrets = secrets_of(environment_path)
    return "\n".join(_lines(unit, secrets))


def _lines(unit: str, secrets: list[str]) -> Iterator[str]:
    for entry in deque(entries(f"--unit={unit}", f"--lines={MOST_LINES}"), maxlen=MOST_LINES):
        text = field_text(entry.get("MESSAGE"))
        for secret in secrets:
            text = text.replace(secret, HIDDEN)
        yield text


def forget_oldest(folder: Path) -> None:
    """So many are kept, the newest."""
    found = sorted((p for p in folder.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
    for path in found[:-MOST_FOLDERS]:
        shutil.rmtree(path, ignore_errors=True)
